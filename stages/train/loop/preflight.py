"""Before the first step: what would make the training pointless is looked for while it costs
nothing.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from ...stream import FusionBatch
from ..data.presence import MaskProbe
from ..methods.card import split_choice
from ..model.loss_terms import BatchTargets
from ..model.with_losses import WithLosses, total
from .prepare import Prepared
from .ranks import world

_STEPS, _MOST_STEPS = 20, 100
_NUMBER = re.compile(r"\s*[+-]?\d{1,300}(?:\.\d*)?\s*")
_RATE = 3e-3
_LEAK = 0.05


def before_training(
    step: WithLosses, prepared: Prepared, device: torch.device, say: Callable[[str], None]
) -> None:
    """Tell whether presence gives the answer away, whether the gradient reaches every part, and
    whether one batch can be learned by heart.

    Neither the weights nor any generator nor the stream are changed.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for line in [
            *_domains(prepared),
            *_presence(prepared),
            *_one_batch(step, prepared, device),
        ]:
            say(f"training: {line}")
    prepared.stream.set_epoch(0)


def _domains(prepared: Prepared) -> list[str]:
    """What the loss of domains does where nothing names a domain."""
    bare = [
        word
        for word, options in map(split_choice, prepared.inputs.options.losses)
        if word == "domain" and not options.get("field")
    ]
    return (
        [
            "the loss 'domain' names no field: it makes parts alike, and no domains of records;"
            " {domain: {field: ...}} says otherwise"
        ]
        if bare
        else []
    )


def _presence(prepared: Prepared) -> list[str]:
    """How often the commonest answer is right, for all rows and for each pattern of presence."""
    if prepared.objective.link != "softmax":
        return []
    probe = MaskProbe.fitted(prepared.stream, prepared.inputs.options.target)
    ((name, number),) = probe.counts.most_common(1)
    share = number / probe.counts.total()
    lines = [f"{len(probe.counts):,} classes, the commonest {name!r} with {share:.0%}"]
    for alike in spelled_twice(probe.counts):
        lines.append(
            f"classes {', '.join(map(repr, alike))} are one number in several spellings; mend the"
            " table if they are one class"
        )
    if probe.right > share + _LEAK:
        lines.append(
            f"which parts are there answers {probe.right:.0%} by itself: the model may learn"
            " absence instead of content;"
            " see 'from presence alone' in 'modalmill robustness'"
        )
    return lines


def spelled_twice(classes: Iterable[str]) -> list[list[str]]:
    """Classes that are one number written in several ways: ``1``, ``1.0``, ``01``."""
    by_number: dict[float, list[str]] = {}
    for name in sorted(classes):
        if _NUMBER.fullmatch(name):
            by_number.setdefault(float(name), []).append(name)
    return [alike for alike in by_number.values() if len(alike) > 1]


def _one_batch(step: WithLosses, prepared: Prepared, device: torch.device) -> list[str]:
    """A copy of the model learns one batch by heart."""
    objective = prepared.objective
    raw = next(iter(prepared.stream), None)
    if raw is None or world() > 1:
        return []
    batch = prepared.inputs.completed(raw)
    targets = batch.targets()
    encoded, weight_B = objective.encode(targets)
    batch = batch.to(device)
    task = BatchTargets(
        objective,
        encoded.to(device),
        weight_B.to(device) * batch.weight_B,
        targets,
        torch.zeros(len(batch), dtype=torch.float64),
        0.0,
    )
    trial = copy.deepcopy(step)
    for module in trial.train().modules():
        if isinstance(module, nn.Dropout):
            module.eval()  # which would hide that a batch can be learned
    first = _own_loss(trial, batch, task)
    optimiser = torch.optim.Adam(
        [parameter for parameter in trial.parameters() if parameter.requires_grad], lr=_RATE
    )
    silent: list[str] = []
    number, last = 0, first
    while number < _STEPS or (number < _MOST_STEPS and not _is_learned(first, last)):
        optimiser.zero_grad()
        # torch leaves it untyped
        total(trial(batch, batch.present_BM, task)).backward()  # type: ignore[no-untyped-call]
        if number == 0:
            silent = _silent(trial, batch)
        optimiser.step()
        number += 1
        last = _own_loss(trial, batch, task) if number % _STEPS == 0 else last
    lines = []
    if silent:
        lines.append(f"no gradient reaches {', '.join(silent)}: the model cannot learn from it")
    if not _is_learned(first, last):
        lines.append(
            f"one batch of {len(batch)} is not learned by heart in {number} steps (loss"
            f" {first:.3f} to {last:.3f}); look at targets and rates"
        )
    return lines or [
        f"one batch of {len(batch)} is learned by heart (loss {first:.3f} to {last:.3f} in"
        f" {number} steps), from every part"
    ]


def _is_learned(first: float, last: float) -> bool:
    return last <= 0.9 * first or first <= 1e-3  # neither is true of a loss that is not a number


def _own_loss(step: WithLosses, batch: FusionBatch, task: BatchTargets) -> float:
    with torch.no_grad():
        # the task's own term alone: others may rise while it is learned
        sums_K2: Tensor = step(batch, batch.present_BM, task)
    return float(total(sums_K2[:1]))


def _silent(step: WithLosses, batch: FusionBatch) -> list[str]:
    """Parts of the batch whose encoders get no gradient, though they are there and may learn."""
    silent = []
    for place, name in enumerate(step.model.names):
        weights = [
            parameter
            for parameter in step.model.encoders[name].parameters()
            if parameter.requires_grad
        ]
        if (
            weights
            and batch.present_BM[:, place].any()
            and not any(weight.grad is not None and weight.grad.any() for weight in weights)
        ):
            silent.append(name)
    return silent
