"""Every fusion reaches what theory says can be reached, with any of the modalities missing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from campaign import fusions
from known import NAMES, SUBSETS, batch_of, bayes, best, channels, fit, gaussian
from modalmill.stages.stream import FusionBatch
from modalmill.stages.train.evaluation.views import survey
from modalmill.stages.train.loop.post_fit import fit_fusion
from modalmill.stages.train.methods.fusions import FUSIONS
from modalmill.stages.train.methods.missing import MISSING
from modalmill.stages.train.metrics.statistics import (
    shapley,
)
from modalmill.stages.train.model.checkpoint import Saved

MU = (1.5, 1.0, 0.5)
# An average, or a gate, does not know of how many parts it is: it is a little too sure with few of
# them or too unsure with many.
AVERAGES = (
    "mean",
    "geometric",
    "weighted",
    "shared",
    "common_space",
    "gated",
    "modality_attention",
    "token_attention",
    "late_attention",
    "end_to_end_cnn",
    "factorization",
)


def asked(saved: Saved, data: FusionBatch) -> dict[tuple[bool, ...], dict[str, float]]:
    """Accuracy and calibration for every subset."""
    views = {
        "".join(name for name, here in zip(NAMES, subset, strict=True) if here): subset
        for subset in SUBSETS
    }
    found = survey(
        saved,
        [data],
        lambda batch: [(name, torch.tensor(subset), None) for name, subset in views.items()],
    )
    return {subset: found.summary(name, "accuracy") for name, subset in views.items()}


def test_the_closed_form_gives_the_published_numbers() -> None:
    values = [
        round(bayes(MU, subset), 4)
        for subset in sorted(SUBSETS, key=lambda some: (sum(some), [not here for here in some]))
    ]
    assert values == [0.5, 0.9332, 0.8413, 0.6915, 0.9643, 0.9431, 0.8682, 0.9693]
    assert [round(value, 4) for value in shapley(3, lambda subset: bayes(MU, subset))] == [
        0.2405,
        0.1572,
        0.0716,
    ]


def test_the_best_rule_is_right_as_often_as_the_closed_form_says() -> None:
    data = gaussian(100_000, MU, 2)
    for subset in SUBSETS:
        if any(subset):
            # four deviations of a share of 100,000
            assert best(data, MU, subset) == pytest.approx(bayes(MU, subset), abs=0.006)


@pytest.mark.parametrize("fusion", fusions(FUSIONS))
def test_gaussian_evidence_is_fused_as_well_as_can_be_for_every_subset(fusion: str) -> None:
    """K3: accuracy within one point of Bayes for every subset, answers as sure as they are right,
    and each part worth what it is worth.
    """
    rows = 256 if fusion == "attention" else 512  # it learns from fewer, and is dear
    saved = fit(gaussian(30_000, MU, 1), steps=200, batch_size=rows, fusion=fusion)
    fit_fusion(saved.model, saved.objective, [gaussian(10_000, MU, 3)], torch.device("cpu"))
    data = gaussian(20_000, MU, 2)
    found, right = asked(saved, data), {some: best(data, MU, some) for some in SUBSETS if any(some)}
    gaps = {subset: abs(found[subset]["accuracy"] - right[subset]) for subset in right}
    # a mixture of answers is not their product
    assert max(gaps.values()) < (0.05 if fusion == "late_weighted" else 0.01)
    assert max(cell["ece"] for subset, cell in found.items() if any(subset)) < (
        0.06 if fusion in AVERAGES or fusion == "late_weighted" else 0.02
    )
    if fusion != "late_weighted":
        worth = shapley(3, lambda subset: found[subset]["accuracy"] if any(subset) else 0.5)
        wanted = shapley(3, lambda subset: right[subset] if any(subset) else 0.5)
        assert np.abs(np.array(worth) - wanted).max() < 0.01


@pytest.mark.parametrize("fusion", fusions(FUSIONS))
def test_with_nothing_shown_the_answer_is_the_prior(fusion: str) -> None:
    """Three rows of four are of class 1, and no training row is shown without any part."""
    data = gaussian(8_000, (0.5, 0.5, 0.5), 1)
    label = torch.tensor([target["y"] == "1" for target in data.targets()])
    kept = torch.cat([label.nonzero()[:3000, 0], (~label).nonzero()[:1000, 0]])
    some = batch_of({name: part[kept] for name, part in data.parts.items()}, label[kept].long())
    saved = fit(some, steps=200, batch_size=256, fusion=fusion)
    with torch.no_grad():
        logits = saved.model(some.without(torch.ones(1, 3, dtype=torch.bool)))
    assert float(logits.softmax(1)[0, 1]) == pytest.approx(0.75, abs=0.04)


@pytest.mark.parametrize("missing", [word for word in MISSING if word != "masked"])
def test_what_stands_for_an_absent_part_costs_little_where_the_model_was_trained_with_it(
    missing: str,
) -> None:
    saved = fit(
        gaussian(30_000, MU, 1),
        steps=200,
        batch_size=256,
        fusion="concat",
        missing={missing: {"memory": 1024}} if missing == "retrieval" else missing,
    )
    data = gaussian(8_000, MU, 2)
    found = asked(saved, data)
    gaps = [best(data, MU, subset) - found[subset]["accuracy"] for subset in SUBSETS if any(subset)]
    assert max(gaps) < {"zero": 0.05, "mean": 0.05, "retrieval": 0.02}.get(missing, 0.015)


@pytest.mark.parametrize(
    "losses",
    [
        ["joint"],
        ["mutual"],
        ["reconstruction"],
        ["adversarial"],
        ["mixup"],
        ["cutmix"],
        ["contrastive"],
        ["domain"],
    ],
)
def test_an_auxiliary_loss_does_not_cost_the_task(losses: list[str]) -> None:
    saved = fit(gaussian(30_000, MU, 1), steps=200, fusion="add", losses=losses)
    data = gaussian(8_000, MU, 2)
    found = asked(saved, data)
    gaps = [
        abs(found[subset]["accuracy"] - best(data, MU, subset)) for subset in SUBSETS if any(subset)
    ]
    assert max(gaps) < 0.01


@pytest.mark.parametrize("fusion", ["attention", "concat", "tensor", "opinion_pool"])
def test_noisy_channels_are_right_as_often_as_bayes(fusion: str) -> None:
    """K2: .8, .8 and .896 with one, two and three channels that flip with .2, over every row that
    there can be: class 1, and which channels flip.
    """
    saved = fit(channels(30_000, 1), steps=200, batch_size=64, fusion=fusion)
    flips = torch.tensor(SUBSETS)
    chance = torch.where(flips, 0.2, 0.8).prod(1)
    parts = {name: (~flips[:, place]).float()[:, None] for place, name in enumerate(NAMES)}
    rows = batch_of(parts, torch.ones(len(flips), dtype=torch.long))
    opposite = batch_of({name: 1 - part for name, part in parts.items()}, rows.present_BM[:, 0] * 0)
    for subset in SUBSETS:
        if any(subset):
            hidden = ~torch.tensor(subset)[None]
            with torch.no_grad():
                one, zero = (saved.model(some.without(hidden)) for some in (rows, opposite))
            right = (one.argmax(1) == 1).double() + (zero.argmax(1) == 0).double()
            # where two channels say otherwise either answer is as good
            assert float((right / 2 * chance).sum()) == pytest.approx(
                0.896 if all(subset) else 0.8, abs=1e-6
            )
