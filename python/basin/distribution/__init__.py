"""Independent pieces of work, in this process or on the machines of a Ray cluster.

`pieces` maps a function over them with results in order, `cluster` connects to Ray and hands them
out, `worker` is what runs at the other end, and `files` brings a model there. Only `cluster` and
`worker` import Ray, and only where a user asks for it.
"""

from basin.distribution.pieces import Pool, Site, map_pieces, split

__all__ = ["Pool", "Site", "map_pieces", "split"]
