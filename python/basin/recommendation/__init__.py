"""Which rewrites help a model for a target: tried, measured, and put into a recipe."""

from basin.recommendation.recommend import Recommendation, recommend
from basin.recommendation.target import Target, parse_target
from basin.recommendation.trials import Trial

__all__ = ["Recommendation", "Target", "Trial", "parse_target", "recommend"]
