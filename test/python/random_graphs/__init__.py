"""Random graphs of each idiom that recognition knows, and of what resembles one: see `campaign`."""
