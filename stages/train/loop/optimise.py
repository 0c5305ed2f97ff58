"""From gradients to steps: the optimiser, its rates, which weights decay, which are frozen or
started from elsewhere, and their moving mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from ....schemas.errors import InputError, nearest
from ..options import TrainOptions

_WARM_UP = 0.1
_MOMENTUM = 0.9


def make_optimiser(step: nn.Module, options: TrainOptions) -> torch.optim.Optimizer:
    """The optimiser of the options. Weights of two and more dimensions decay; biases, norms and
    scales do not.

    Parameters whose names begin with a word of ``rates`` have that share of the learning rate.
    """
    names = [name for name, _ in step.named_parameters()]
    for word in options.rates:
        if not any(named_by(name, word) for name in names):
            raise InputError(
                "train.rates: nothing of the model is called"
                f" {word!r}{nearest(word, _heads(names))}"
            )
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in step.named_parameters():
        if parameter.requires_grad:
            rate = next(
                (share for word, share in options.rates.items() if named_by(name, word)), 1.0
            )
            groups.setdefault((rate, parameter.dim() > 1), []).append(parameter)
    listed: list[dict[str, object]] = [
        {
            "params": parameters,
            "lr": options.learning_rate * rate,
            "weight_decay": options.weight_decay if decays else 0.0,
        }
        for (rate, decays), parameters in groups.items()
    ]
    if not listed:
        raise InputError("train.freeze: every parameter is frozen; there is nothing to train")
    if options.optimiser == "sgd":
        return torch.optim.SGD(listed, momentum=_MOMENTUM, nesterov=True)
    if options.optimiser == "rmsprop":
        return torch.optim.RMSprop(listed)
    return (torch.optim.AdamW if options.optimiser == "adamw" else torch.optim.Adam)(listed)


def make_schedule(
    optimiser: torch.optim.Optimizer, options: TrainOptions, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """How the learning rate goes: ``one_cycle`` (Smith and Topin 2018), ``cosine`` (Loshchilov and
    Hutter 2017) after a tenth of warming up, or ``constant``."""
    if options.schedule == "one_cycle":
        rates = [group["lr"] for group in optimiser.param_groups]
        cycles = options.optimiser in ("adam", "adamw")
        # a warm-up of one step exactly would be divided by its length, 0
        warm_up = _WARM_UP if (steps + 1) * _WARM_UP != 1 else 2 / (steps + 1)
        # one more, since making the schedule counts as a step
        return torch.optim.lr_scheduler.OneCycleLR(
            optimiser, rates, total_steps=steps + 1, pct_start=warm_up, cycle_momentum=cycles
        )
    if options.schedule == "constant":
        return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0)
    warm = max(1, round(_WARM_UP * steps))
    return torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min(
            (step + 1) / warm,
            0.5 * (1 + math.cos(math.pi * max(0, step - warm) / max(1, steps - warm))),
        ),
    )


def freeze(step: nn.Module, words: Iterable[str]) -> None:
    """Let parameters whose names begin with one of the words stay as they are; InputError for a
    word that names none.
    """
    names = [name for name, _ in step.named_parameters()]
    for word in words:
        frozen = [parameter for name, parameter in step.named_parameters() if named_by(name, word)]
        if not frozen:
            raise InputError(
                "train.freeze: nothing of the model is called"
                f" {word!r}{nearest(word, _heads(names))}"
            )
        for parameter in frozen:
            parameter.requires_grad_(False)


def train_mode(step: nn.Module) -> None:
    """As ``step.train()``, but what is frozen whole keeps its batch statistics and drops
    nothing.
    """
    step.train()
    for module in step.modules():
        own = list(module.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()


def _heads(names: Iterable[str]) -> list[str]:
    return sorted({".".join(name.removeprefix("model.").split(".")[:2]) for name in names})


def named_by(name: str, word: str) -> bool:
    """Whether a parameter's name begins with a dotted word, with or without ``model``."""
    return any(
        spelling == word or spelling.startswith(f"{word}.")
        for spelling in (name, name.removeprefix("model."))
    )


class MovingMean:
    """The exponential moving mean of a model's weights (Polyak and Juditsky 1992), to evaluate and
    save instead of them.

    The decay grows from .1 to its own value as ``(1 + t) / (10 + t)``, so that the first weights
    are forgotten. Buffers are taken as they are.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.mean = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """After a step."""
        # twins stand under two names: the mean of both has to follow
        learned = {
            name
            for name, parameter in model.named_parameters(remove_duplicate=False)
            if parameter.requires_grad
        }
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for name, tensor in model.state_dict().items():
            if name in learned:
                self.mean[name].lerp_(tensor, 1 - decay)
            else:
                self.mean[name].copy_(tensor)
