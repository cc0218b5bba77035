"""Measure the outliers of a model on a user's data: instrument, run, accumulate, derive.

`data` reads token sequences, `feed` makes a model's inputs of them, `run` runs the instrumented
model, `accumulate` adds up what it returns, `metrics` derives the figures and `stats` keeps them in
a file. docs/statistics.md says what all of them mean.
"""

from basin.errors import AnalysisError

__all__ = ["AnalysisError"]
