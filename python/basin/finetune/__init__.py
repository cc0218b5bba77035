"""Trains a model's parameters, with what the quantizer does to them in the loop."""

from basin.finetune.settings import Settings
from basin.finetune.training import Entry, Outcome, finetune

__all__ = ["Entry", "Outcome", "Settings", "finetune"]
