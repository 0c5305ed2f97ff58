"""Rates, and a moving mean of the weights."""

from __future__ import annotations

import pytest
import torch
from modalmill.stages.train.loop.optimise import MovingMean, make_optimiser, make_schedule
from modalmill.stages.train.options import TrainOptions
from torch import nn


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
def test_rates_rise_fall_and_keep_their_shares(optimiser: str, schedule: str) -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    options = TrainOptions(
        target="y",
        inputs={"x": {}},
        optimiser=optimiser,
        schedule=schedule,
        rates={"b": 0.1},
        learning_rate=0.1,
    )  # type: ignore[arg-type]
    made = make_optimiser(model, options)
    rates = make_schedule(made, options, 50)
    decays = {id(p): group["weight_decay"] for group in made.param_groups for p in group["params"]}
    assert decays[id(model["a"].weight)] == 0.01
    assert decays[id(model["a"].bias)] == 0
    seen = []
    for _ in range(50):
        a, b = (
            next(
                group["lr"]
                for group in made.param_groups
                if any(p is model[name].weight for p in group["params"])
            )
            for name in "ab"
        )
        assert b == pytest.approx(0.1 * a)
        seen.append(a)
        made.step()
        rates.step()
    if schedule == "constant":
        assert set(seen) == {0.1}
    else:
        top = seen.index(max(seen))
        assert max(seen) == pytest.approx(0.1, rel=0.01)
        assert 2 <= top <= 7
        assert seen[-1] < 0.01


def test_a_moving_mean_takes_buffers_as_they_are_and_forgets_its_beginning() -> None:
    model = nn.BatchNorm1d(2)
    mean = MovingMean(model, 0.999)
    with torch.no_grad():
        model.weight.fill_(5.0)
    for step in range(200):
        model.running_mean.fill_(float(step))  # type: ignore[union-attr]  # it tracks them
        mean.update(model)
    assert mean.mean["running_mean"].tolist() == [199.0, 199.0]
    assert mean.mean["weight"].tolist() == pytest.approx([5.0, 5.0], abs=1e-3)


@pytest.mark.parametrize("steps", range(1, 40))
def test_any_number_of_steps_has_a_schedule(steps: int) -> None:
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
    # made of plain values
    options = TrainOptions(target="x", inputs={"t": {}})  # type: ignore[dict-item]
    schedule = make_schedule(optimiser, options, steps)
    for _ in range(steps):
        optimiser.step()
        schedule.step()
    assert all(torch.isfinite(torch.tensor(schedule.get_last_lr())))
