"""Random graphs of each idiom that recognition knows, and of near misses: see `campaign`."""
