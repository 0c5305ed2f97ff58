"""How good answers are, as plain numbers: known without torch."""

from .metric import Metric, Rows

__all__ = ["Metric", "Rows"]
