"""Why a model answered as it did: what each part was worth, which words, moments and places carried
the answer, where it looked, what it saw.

Per record: the exact Shapley value of every part for the answer's probability over all subsets of
what is there (Shapley 1953), and integrated gradients of the answer's logit over tokens, from blank
tokens to the real ones (Sundararajan et al. 2017), summed over features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

from ....schemas.errors import InputError, nearest
from ....schemas.plain_text import render_text
from ...stream import FusionBatch
from ..evaluation.write import write_picture
from ..metrics.statistics import shapley
from ..model.objectives import Objective
from .draw_explanation import draw_explanation
from .feature_maps import FeatureMaps, feature_maps
from .predict import Answer, Prediction, Predictor

_STEPS = 512
_CHANNELS = 6


class Carried(TypedDict):
    """What each token of a part adds: the tokens' names, or how many there are."""

    tokens: list[str] | int
    values: list[float]


class Explained(Prediction, total=False):
    """An answer with what it rests on.

    explained: the answer that is. worth: part -> Shapley value. without_anything: the answer's
        probability then. attention, weights: where the fusion has them. maps: part -> layer ->
        channels.
    """

    explained: str
    worth: dict[str, float]
    without_anything: float
    carried: dict[str, Carried]
    attention: dict[str, list[float]]
    weights: dict[str, float]
    maps: dict[str, dict[str, list[int]]]


@dataclass(frozen=True)
class Explanation:
    """report: the answer to one record with what it rests on. batch: the record as the model saw
    it. maps: feature maps by part. rates_hz: of the parts that are samples of a sound.
    """

    report: Explained
    batch: FusionBatch
    maps: Mapping[str, list[FeatureMaps]]
    rates_hz: Mapping[str, float]

    def draw(self, out: Path) -> None:
        """Write one picture: what the parts add, the image beside what its places carried, words
        and moments likewise.
        """
        write_picture(
            out, lambda: draw_explanation(self.report, self.batch.parts, self.maps, self.rates_hz)
        )


def explain(path: Path, given: Mapping[str, str], answer: str = "") -> Explanation:
    """Why one record is answered as it is. answer: explain this one rather than the likeliest."""
    predictor = Predictor(path, top=5)
    batch, parts, remarks = predictor.batch_of(given)
    saved, model = predictor.saved, predictor.saved.model
    prediction = predictor.answer(batch, remarks)
    number = _number(saved.objective, prediction, answer)
    with torch.no_grad():
        tokens, masks = model.encode(batch)
        decided = model.decided(tokens, masks, batch.present_BM, batch.present_BM)
    maps = {
        name: part_maps
        for name in prediction["used"]
        if (part_maps := feature_maps(model, batch, name, _CHANNELS))
    }
    worth = _worth(predictor, tokens, masks, batch.present_BM, number)
    carried = integrated_gradients(predictor, tokens, masks, batch.present_BM, number)
    report: Explained = {
        **prediction,
        "explained": _name(saved.objective, number, saved.options.target),
        "worth": {
            name: value
            for name, value in zip(predictor.names, worth, strict=True)
            if name in prediction["used"]
        },
        "without_anything": _value(
            predictor, tokens, masks, torch.zeros_like(batch.present_BM), number
        ),
        "carried": {},
        "attention": {},
        "weights": {},
        "maps": {
            name: {layer_maps.layer: layer_maps.channels for layer_maps in part_maps}
            for name, part_maps in maps.items()
        },
    }
    with torch.no_grad():
        looked_at = model.looked_at(tokens, masks, batch.present_BM)
    for place, name in enumerate(predictor.names):
        if name in prediction["used"]:
            values = carried[place][0][masks[place][0]].tolist()
            kind, entry = saved.inputs.modality(name), saved.options.inputs[name]
            named = (
                None
                if entry.feature
                else kind.token_names(parts[name], saved.inputs.fitted.get(name, {}))
            )
            texts = named[: len(values)] if named else None
            report["carried"][name] = {
                "tokens": texts or len(values),
                "values": [round(value, 6) for value in values],
            }
            if looked_at is not None:
                report["attention"][name] = [
                    round(value, 6) for value in looked_at[place][0][masks[place][0]].tolist()
                ]
    weights = decided.info.get("weights")
    if weights is not None and weights.shape == batch.present_BM.shape:
        report["weights"] = {
            name: round(float(weights[0, place]), 4) for place, name in enumerate(predictor.names)
        }
    return Explanation(report, batch, maps, _rates_hz(predictor, prediction["used"], batch))


def _rates_hz(predictor: Predictor, names: Sequence[str], batch: FusionBatch) -> dict[str, float]:
    """Samples a second of the parts that the model saw as a sound."""
    inputs = predictor.saved.inputs
    rates = {
        name: getattr(inputs.part(name).own, "rate_hz", None)
        for name in names
        if not inputs.options.inputs[name].feature and batch.parts[name].dim() == 2
    }
    return {name: float(rate) for name, rate in rates.items() if rate is not None}


def integrated_gradients(
    predictor: Predictor, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor, number: int
) -> list[Tensor]:
    """What each token adds to the answer's logit ``[B, T_m]`` a part; over all tokens it adds up to
    the logit minus that of blank tokens.
    """
    model = predictor.saved.model
    totals = [torch.zeros_like(x_BTD) for x_BTD in tokens]
    for step in range(_STEPS):
        root = (step + 0.5) / _STEPS
        # most of the change is near the beginning: layer normalisation takes the size of a token
        # away
        share = root**3
        moved = [(share * x_BTD.detach()).requires_grad_() for x_BTD in tokens]
        with torch.enable_grad():
            logit = model.decide(moved, masks, present_BM)[:, number].sum()
            gradients = torch.autograd.grad(logit, moved, allow_unused=True)
        # steps of root**3 are 3 root**2 / steps wide
        totals = [
            total if gradient is None else total + gradient * 3 * root**2 / _STEPS
            for total, gradient in zip(totals, gradients, strict=True)
        ]
    return [(total * x_BTD).sum(2).detach() for total, x_BTD in zip(totals, tokens, strict=True)]


@torch.no_grad()
def _value(
    predictor: Predictor, tokens: list[Tensor], masks: list[Tensor], shown_BM: Tensor, number: int
) -> float:
    """Probability (or number) of the answer with these parts shown."""
    return float(
        predictor.saved.objective.meant(predictor.saved.model.decide(tokens, masks, shown_BM))[
            0, number
        ]
    )


def _worth(
    predictor: Predictor, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor, number: int
) -> list[float]:
    """The Shapley value of every part; parts that are absent are worth nothing."""
    values: dict[tuple[bool, ...], float] = {}

    def value(subset: tuple[bool, ...]) -> float:
        # absent parts change nothing: subsets that differ in them alone are asked once
        shown = tuple(a and b for a, b in zip(subset, present_BM[0].tolist(), strict=True))
        if shown not in values:
            values[shown] = _value(predictor, tokens, masks, torch.tensor([shown]), number)
        return values[shown]

    return [round(worth, 6) for worth in shapley(len(predictor.names), value)]


def _number(objective: Objective, prediction: Prediction, answer: str) -> int:
    classes = objective.classes
    if classes is None:
        return 0
    if answer and answer not in classes:
        raise InputError(
            f"--answer {answer}: the model has no such answer{nearest(answer, classes)}"
        )
    return int(classes.index(answer or prediction["answers"][0]["answer"]))


def _name(objective: Objective, number: int, target: str) -> str:
    classes = objective.classes
    return target if classes is None else str(classes[number])


def _sure(answer: Answer) -> str:
    """An answer, and how likely it is where that can be said."""
    return (
        f"{answer['answer']} ({answer['probability']:.1%})"
        if "probability" in answer
        else str(answer["answer"])
    )


def explain_text(report: Explained) -> str:
    """The explanation for people."""
    top = report["answers"][0]
    lines = [f"{report['target']}: {_sure(top)}; explained: {report['explained']}"]
    lines.append(
        f"with nothing shown {report['without_anything']:.3f}; what each part adds to that:"
    )
    lines += [
        f"  {name:<24}{value:>+8.3f}"
        for name, value in sorted(report["worth"].items(), key=lambda item: -abs(item[1]))
    ]
    for name, entry in report["carried"].items():
        if isinstance(entry["tokens"], list):
            lines.append(
                f"{name}: "
                + " ".join(
                    f"{word}({value:+.2f})"
                    for word, value in zip(entry["tokens"], entry["values"], strict=False)
                )
            )
    if report["attention"]:
        lines.append(
            "attention: "
            + ", ".join(f"{name} {sum(values):.0%}" for name, values in report["attention"].items())
        )
    if report["weights"]:
        lines.append(
            "weights of the fusion: "
            + ", ".join(f"{name} {value:.2f}" for name, value in report["weights"].items())
        )
    if report["missing"]:
        lines.append(f"missing: {', '.join(report['missing'])}")
    lines += [f"{name}: {remark}" for name, remark in report.get("remarks", {}).items()]
    return render_text(*lines)
