"""Models as torch modules, so that their parameters can be trained and written back."""

from basin.torch.module import Module, load
from basin.torch.weights import save

__all__ = ["Module", "load", "save"]
