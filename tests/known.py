"""Data whose best possible answer is known for every subset of the modalities."""

from __future__ import annotations

import itertools
import json
import math
from statistics import NormalDist
from typing import Any

import torch
from modalmill.schemas.features import FeatureNote
from modalmill.stages.stream import FusionBatch, Labels
from modalmill.stages.train.data.inputs import Inputs
from modalmill.stages.train.model.checkpoint import CheckpointHeader, Saved
from modalmill.stages.train.model.loss_terms import BatchTargets
from modalmill.stages.train.model.losses import make_losses
from modalmill.stages.train.model.model import FusionModel
from modalmill.stages.train.model.objectives.classification import Classification
from modalmill.stages.train.model.with_losses import WithLosses, total
from modalmill.stages.train.options import InputOptions, TrainOptions
from torch import Tensor

NAMES = ("a", "b", "c")
SUBSETS = list(itertools.product((False, True), repeat=len(NAMES)))


def bayes(mu: tuple[float, ...], subset: tuple[bool, ...]) -> float:
    """K3: ``x_m ~ N(y mu_m, 1)``, y = +-1 with equal chance. The best accuracy is Phi(sqrt(sum of
    mu_m^2 over the subset)).
    """
    return NormalDist().cdf(
        math.sqrt(sum(one**2 for one, here in zip(mu, subset, strict=True) if here))
    )


def best(data: FusionBatch, mu: tuple[float, ...], subset: tuple[bool, ...]) -> float:
    """How often the best rule for K3 is right on these rows: the sign of the sum of mu_m x_m over
    the subset.

    What a model lacks is asked against it rather than against ``bayes``, of which it is an estimate
    (see the test of both): on the same rows both meet the same luck, and a quarter of the rows
    tells as much.
    """
    score = sum(
        one * data.parts[name][:, 0]
        for name, one, here in zip(NAMES, mu, subset, strict=True)
        if here
    )
    label = torch.tensor([target["y"] == "1" for target in data.targets()])
    return float(((score > 0) == label).double().mean())


def gaussian(
    rows: int, mu: tuple[float, ...], seed: int, present: Tensor | None = None
) -> FusionBatch:
    """Rows of K3."""
    random = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 2, (rows,), generator=random)
    parts = {
        name: ((2 * label - 1) * one + torch.randn(rows, generator=random))[:, None]
        for name, one in zip(NAMES, mu, strict=True)
    }
    return batch_of(parts, label, present)


def channels(rows: int, seed: int) -> FusionBatch:
    """K2: three binary channels that flip with .2."""
    random = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 2, (rows,), generator=random)
    parts = {
        name: (label ^ (torch.rand(rows, generator=random) < 0.2)).float()[:, None]
        for name in NAMES
    }
    return batch_of(parts, label)


def batch_of(parts: dict[str, Tensor], label: Tensor, present: Tensor | None = None) -> FusionBatch:
    rows = len(label)
    labels = Labels(
        [f"k{row}" for row in range(rows)],
        [json.dumps({"y": str(value)}) for value in label.tolist()],
    )
    there = torch.ones(rows, len(parts), dtype=torch.bool) if present is None else present
    return FusionBatch(tuple(parts), labels, parts, {}, {}, there, torch.ones(rows))


def fit(
    data: FusionBatch,
    steps: int = 600,
    batch_size: int = 512,
    dropout: float = 0.5,
    seed: int = 0,
    **more: Any,
) -> Saved:
    """A model trained on the rows with parts hidden at random, never all of them."""
    torch.manual_seed(seed)
    about: dict[str, Any] = {
        "target": "y",
        "inputs": {name: InputOptions(feature=True) for name in NAMES},
        "width": 32,
        "hidden": 32,
        "dropout": 0.0,
    }
    options = TrainOptions(**{**about, **more})
    answers = [target["y"] for target in data.targets()]
    objective = Classification("y", ["0", "1"], [answers.count("0"), answers.count("1")])
    inputs = Inputs(options, {}, {}, {name: FeatureNote(dims=1) for name in NAMES})
    model = FusionModel(inputs, 2)
    model.start_from(objective.prior())
    step = WithLosses(model, make_losses(options.losses, model.sizes(), {}))
    optimiser = torch.optim.AdamW(step.parameters(), lr=5e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    encoded, weight = objective.encode(data.targets())
    for number in range(steps):
        rows = torch.randint(0, len(data), (batch_size,))
        some = FusionBatch(
            data.names,
            Labels([""] * batch_size, ["{}"] * batch_size),
            {name: part[rows] for name, part in data.parts.items()},
            {},
            {},
            data.present_BM[rows],
            torch.ones(batch_size),
        )
        draw = torch.rand(batch_size, len(NAMES))
        shown = some.present_BM & ((draw > dropout) | (draw == draw.max(1, keepdim=True).values))
        task = BatchTargets(
            objective,
            encoded[rows],
            weight[rows],
            (),
            torch.rand(batch_size, dtype=torch.float64),
            number / steps,
            rows,
        )
        optimiser.zero_grad()
        total(step(some, shown, task)).backward()
        optimiser.step()
        schedule.step()
    return Saved(CheckpointHeader.of(inputs, objective), model.state_dict())
