"""What stands for an absent part (``train.missing``), by its word."""

from __future__ import annotations

from collections.abc import Mapping

from ...outside import WithOutside
from .card import Card

MISSING: Mapping[str, Card] = WithOutside(
    "missing",
    Card,
    {
        "masked": Card(
            "missing.masked.Masked", "the fusion does not look at absent parts", "standard", ""
        ),
        "zero": Card(
            "missing.fill.Zero", "zeros, taken for the real thing (a baseline)", "standard", ""
        ),
        "mean": Card(
            "missing.fill.Mean", "the training split's mean token (a baseline)", "standard", ""
        ),
        "filler": Card("missing.fill.LearnedToken", "a learned token", "standard", ""),
        "reconstruction": Card(
            "missing.reconstruction.Reconstruction",
            "what a network makes of the parts that are there",
            "Woo 2023 (ActionMAE)",
            "M D^2",
            options={"weight": 0.2},
            least={"weight": 0},
        ),
        "retrieval": Card(
            "missing.retrieval.Retrieval",
            "the mean of the nearest training records that have the part",
            "retrieval",
            "N D",
            options={"neighbours": 5, "memory": 4096},
        ),
        "shared_specific": Card(
            "missing.shared_specific.SharedSpecific",
            "what all parts share, beside what each adds",
            "Wang 2023 (ShaSpec)",
            "M D^2",
            options={"weight": 0.1},
            least={"weight": 0},
        ),
    },
)
