"""What models make of text: perplexity, and how far one is from another."""

from basin.evaluation.evaluate import Evaluation, ModelScore, evaluate
from basin.evaluation.scores import Estimate

__all__ = ["Estimate", "Evaluation", "ModelScore", "evaluate"]
