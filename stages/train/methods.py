"""Every method of the training stage by name, each with a card; known without torch.

A method is one file that a card names. A recipe chooses it by its word: ``fusion: gated``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...schemas.errors import nearest


@dataclass(frozen=True, slots=True)
class Card:
    """What a method is. options: its own, with their defaults. standard: whether the field knows it under this name.

    cost: operations for one record; M parts, T tokens of each, D width, R rank.
    """

    where: str
    what: str
    source: str
    cost: str
    standard: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Any:
        """The class; torch is imported now."""
        module, _, name = self.where.rpartition(".")
        return getattr(importlib.import_module(f".{module}", __package__), name)


FUSIONS: dict[str, Card] = {
    "concat": Card("fusion.concat.ConcatFusion", "pooled parts side by side, then a linear map", "standard", "M D^2"),
    "add": Card("fusion.add.AddFusion", "the sum of the present parts", "standard", "M D"),
    "mean": Card("fusion.mean.MeanFusion", "the mean of the present parts", "standard", "M D"),
    "max": Card("fusion.max.MaxFusion", "the largest value of each feature", "standard", "M D"),
    "multiply": Card(
        "fusion.multiply.MultiplyFusion",
        "the product of the parts, times their mean and added to it",
        "Kim 2016 (MRN)",
        "M D",
        options={"bare": False},
    ),
    "geometric": Card(
        "fusion.geometric.GeometricFusion",
        "the logarithm of the geometric mean of softplus features",
        "product, then logarithm",
        "M D",
        standard=False,
    ),
    "weighted": Card(
        "fusion.weighted.WeightedFusion", "a weighted average, the weights learned or given", "standard", "M D", options={"weights": []}
    ),
    "gated": Card("fusion.gated.GatedFusion", "an average whose weights each record chooses for itself", "Arevalo 2017 (GMU)", "M D^2"),
    "tensor": Card(
        "fusion.tensor.TensorFusion", "all products of features across parts, made narrow first", "Zadeh 2017 (TFN)", "R^M D", options={"rank": 7}
    ),
    "low_rank": Card("fusion.low_rank.LowRankFusion", "the same through a tensor of low rank", "Liu 2018 (LMF)", "M R D^2", options={"rank": 4}),
    "factorization": Card(
        "fusion.factorization.FactorizationFusion",
        "one hidden vector that explains the parts that are there",
        "Koren 2009",
        "R^3",
        standard=False,
        options={"rank": 16},
    ),
    "modality_attention": Card("fusion.modality_attention.ModalityAttentionFusion", "attention over parts", "Bahdanau 2015", "M D^2"),
    "token_attention": Card("fusion.token_attention.TokenAttentionFusion", "one attention over the tokens of all parts", "Bahdanau 2015", "M T D^2"),
    "cross_attention": Card(
        "fusion.cross_attention.CrossAttentionFusion", "each part looks at the tokens of the others", "Lu 2019 (ViLBERT)", "(M T)^2 D"
    ),
    "non_local": Card(
        "fusion.non_local.NonLocalFusion", "a non-local block across parts, the identity at first", "Wang 2018", "(M T)^2 D", standard=False
    ),
    "attention": Card("fusion.attention.AttentionFusion", "a Transformer over [CLS] and the tokens of all parts", "Vaswani 2017", "(M T)^2 D"),
}


def split_choice(choice: str | Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Word and options of ``tensor`` or ``{tensor: {rank: 5}}``."""
    if isinstance(choice, str):
        return choice, {}
    word, options = next(iter(choice.items()), ("", {}))
    return str(word), options or {}


def mistakes(where: str, choice: str | Mapping[str, Any], cards: Mapping[str, Card]) -> list[str]:
    """What is wrong with a choice, one line each."""
    if not isinstance(choice, str) and len(choice) != 1:
        return [f"{where}: wanted one method, as 'tensor' or {{tensor: {{rank: 5}}}}, found {len(choice)}"]
    word, options = split_choice(choice)
    if word not in cards:
        return [f"{where}: no such method {word!r}{nearest(word, cards)}"]
    if not isinstance(options, Mapping):
        return [f"{where}.{word}: wanted options by name, found {options!r}"]
    lines = []
    for name, value in options.items():
        known = cards[word].options
        if name not in known:
            lines.append(f"{where}.{word}.{name}: unknown option{nearest(str(name), known)}")
        elif type(value) is not type(known[name]):
            lines.append(f"{where}.{word}.{name}: wanted {type(known[name]).__name__}, as {known[name]!r}, found {value!r}")
    return lines


def methods_text() -> str:
    """Every method with its card."""
    width = max(len(word) for word in FUSIONS)
    lines = ["fusion: how the parts become one vector (train.fusion)"]
    for word, card in FUSIONS.items():
        name = "" if card.standard else "; not a name of the field"
        lines.append(f"  {word:<{width}}  {card.what}")
        own = "".join(f"; {option}={value!r}" for option, value in card.options.items())
        lines.append(f"  {'':<{width}}  {card.source}{name}; {card.cost}{own}")
    return "\n".join(lines)
