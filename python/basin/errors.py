"""The errors that a user can cause, apart from what raises them: this imports nothing heavy.

`basin.BasinError`, what the compiler refuses, comes from the extension.
"""

from __future__ import annotations

__all__ = ["AnalysisError", "ClusterError", "PlanError", "RecipeError", "VerifyError"]


class AnalysisError(Exception):
    """Data, a model or a statistics file cannot be used; the message is one line and says why."""


class ClusterError(Exception):
    """Machines that work was given to cannot do it; the message is one line and says why."""


class PlanError(Exception):
    """A model cannot be compiled, or a plan cannot be read or run; the message says why."""


class RecipeError(Exception):
    """A recipe cannot be used; the message names its file, the line and the reason."""


class VerifyError(Exception):
    """Two models cannot be compared; the message names the input or model, and the reason."""
