"""The commands of `basin`, a file each; `basin.cli` lists them."""
