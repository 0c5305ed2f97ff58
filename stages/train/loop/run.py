"""A training run: all that changes while a model is trained, how it is saved, and how it is taken
up again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ....schemas.errors import InputError
from ....schemas.features import FeatureNote
from ....schemas.fingerprint import fingerprint
from ..methods.loggers import LOGGERS
from ..model import checkpoint
from ..model.checkpoint import CheckpointHeader, Training
from ..model.with_losses import total
from .device import device_of, precision_of
from .optimise import MovingMean, make_optimiser, make_schedule
from .post_fit import is_fitted
from .prepare import Prepared, build
from .ranks import is_first, rank, summed, world

Say: TypeAlias = Callable[[str], None]
_CHANGE_NO_WEIGHT = {"save_every_s", "threads", "checks", "log"}
_FILES = (
    "best.pt",
    "last.pt",
    "log.jsonl",
    "run.json",
    "evaluation*.*",
    "robustness.*",
)


class Run:
    """The model with its losses, optimiser, schedule and stream.

    epoch: how many are done; steps, records: how far the next one is. best: the best score on the
        validation split so far.
    """

    def __init__(self, prepared: Prepared, out: Path, seed: int, say: Say) -> None:
        options = prepared.inputs.options
        self.options, self.inputs, self.out, self.seed, self.say = (
            options,
            prepared.inputs,
            out,
            seed,
            say,
        )
        self.device = device_of(options)
        self.half = precision_of(options, self.device)
        self.stream, self.objective, self.header = (
            prepared.stream,
            prepared.objective,
            prepared.header,
        )
        # first, since the model's weights are drawn when it is made
        torch.manual_seed(seed)
        if options.deterministic:
            torch.use_deterministic_algorithms(True, warn_only=True)
        self.step, taken = build(prepared)
        if taken:
            say(f"training: {taken}")
        self.step.to(self.device)
        self.forward: nn.Module = self.step
        if options.compile:
            self.step.compile()
        if world() > 1:
            self.forward = nn.parallel.DistributedDataParallel(self.step)
            # after the model: its weights are the same in all processes, dropout is not
            torch.manual_seed(seed + rank())
        self.optimiser = make_optimiser(self.step, options)
        self.schedule = make_schedule(
            self.optimiser,
            options,
            max(1, -(-len(self.stream) // options.accumulate) * options.epochs),
        )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.half is torch.float16)
        self.mean = MovingMean(self.step, options.ema) if options.ema else None
        # a run may go on with other threads
        own = options.model_dump(exclude=_CHANGE_NO_WEIGHT)
        self.identity = fingerprint(
            checkpoint.VERSION, own, self.header.shards, _alike(self.header.caches), seed
        )
        self.epoch, self.steps, self.records = 0, 0, 0
        self.loss_sum = torch.zeros((), device=self.device, dtype=torch.float64)
        self.best: float | None = None
        self.since_best = 0
        self.finished = False

    @property
    def parameters(self) -> int:
        """Number of the model's parameters."""
        return sum(parameter.numel() for parameter in self.step.model.parameters())

    @property
    def rate(self) -> float:
        """The learning rate now."""
        return float(self.schedule.get_last_lr()[0])

    def learn(self, sums_K2: Tensor) -> None:
        """Gradients of the loss; a step of the optimiser when as many batches as it wants have been
        seen.
        """
        options, steps = self.options, len(self.stream)
        whole_K2 = summed(sums_K2.detach().clone())
        # DistributedDataParallel takes the mean over processes: times their number, over the global
        # weight, it is the sum over the global batch
        loss = total(torch.stack([sums_K2[:, 0] * world(), whole_K2[:, 1]], 1))
        first = self.steps // options.accumulate * options.accumulate
        # torch leaves it untyped
        self.scaler.scale(loss / min(options.accumulate, steps - first)).backward()  # type: ignore[no-untyped-call]
        self.loss_sum += total(whole_K2[:1].double())
        self.steps += 1
        if self.steps % options.accumulate and self.steps < steps:
            return
        # clipping goes by the true length, which the scaler has multiplied
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.step.parameters(), options.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.schedule.step()
        if self.mean is not None:
            self.mean.update(self.step)

    @contextmanager
    def mean_weights(self) -> Iterator[None]:
        """The model and its losses with the moving mean of their weights, if one is kept."""
        if self.mean is None:
            yield
            return
        own = {name: tensor.clone() for name, tensor in self.step.state_dict().items()}
        self.step.load_state_dict(self.mean.mean)
        try:
            yield
            # what was fitted while the mean was here is kept for both
            if is_fitted(self.step.model):
                learned = {
                    name
                    for name, parameter in self.step.named_parameters()
                    if parameter.requires_grad
                }
                for name, tensor in self.step.state_dict().items():
                    if name.startswith("model.fusion.") and name not in learned:
                        own[name], self.mean.mean[name] = tensor.clone(), tensor.clone()
        finally:
            self.step.load_state_dict(own)

    def end_epoch(self, validation: float | None) -> bool:
        """End the epoch; whether it was the best so far."""
        better = self.best is None or validation is None or validation > self.best
        self.since_best = 0 if better else self.since_best + 1
        self.best = validation if better else self.best
        self.epoch, self.steps, self.records = self.epoch + 1, 0, 0
        self.loss_sum.zero_()
        self.finished = self.epoch >= self.options.epochs or bool(
            self.options.patience and self.since_best >= self.options.patience
        )
        return better

    def save(self) -> None:
        """Write ``last.pt``: with it the run goes on from here."""
        if self.steps % self.options.accumulate:
            return  # gradients of half a step are not kept
        if not is_first():
            return
        state = {
            "epoch": self.epoch,
            "steps": self.steps,
            "records": self.records,
            "best": self.best,
            "since_best": self.since_best,
        }
        training: Training = {
            "run": self.identity,
            "state": {**state, "finished": self.finished},
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "stream": self.stream.state_dict(),
            "random": torch.get_rng_state(),
            "loss_sum": self.loss_sum,
            "cuda_random": torch.cuda.get_rng_state(self.device)
            if self.device.type == "cuda"
            else None,
            "mean": None if self.mean is None else self.mean.mean,
            "mean_steps": 0 if self.mean is None else self.mean.steps,
        }
        checkpoint.save(self.out / "last.pt", self.header, self.step, training)

    def clear(self) -> None:
        """Put aside what another run left, into ``before``: its log and curves would go on in ours,
        and its model be written over.
        """
        if not is_first() or (
            not (self.out / "log.jsonl").exists() and not (self.out / "last.pt").exists()
        ):
            return
        aside = self.out / "before"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        for name in (*_FILES, *LOGGERS):
            for path in sorted(self.out.glob(name)):
                path.rename(aside / path.name)

    def _changes(self, before: CheckpointHeader) -> str:
        """What makes this another run."""
        if before.shards != self.header.shards:
            return (
                f"the shards have changed (fingerprint {before.shards}, now {self.header.shards})"
            )
        caches_before = _alike(before.caches)
        caches = [
            name
            for name, cache in _alike(self.header.caches).items()
            if caches_before.get(name, cache) != cache
        ]
        if caches:
            return f"the cached features of {', '.join(caches)} have changed"
        now = self.header.options
        names = [
            name
            for name in now
            if name not in _CHANGE_NO_WEIGHT and before.options.get(name) != now[name]
        ]
        return f"{', '.join(names)} changed" if names else "the seed has changed"

    def resume(self) -> bool:
        """Take up a run that was stopped; a checkpoint of other options or other shards is left to
        be written over.
        """
        path = self.out / "last.pt"
        if not path.is_file():
            return False
        try:
            value = checkpoint.read(path)
        except InputError as error:
            self.say(f"training: {error}; starting anew")
            return False
        kept = value.training
        if kept.get("run") != self.identity:
            self.say(
                f"training: {self._changes(value.header)} since the last run here; starting"
                f" anew, its files are in {self.out.name}/before"
            )
            return False
        self.step.model.load_state_dict(value.model)
        self.step.losses.load_state_dict(value.losses)
        self.optimiser.load_state_dict(kept["optimiser"])
        self.schedule.load_state_dict(kept["schedule"])
        self.scaler.load_state_dict(kept["scaler"])
        self.stream.load_state_dict(kept["stream"])
        # with several processes, each step begins from a seed of its own anyway
        if is_first():
            torch.set_rng_state(kept["random"])
            if kept["cuda_random"] is not None and self.device.type == "cuda":
                torch.cuda.set_rng_state(kept["cuda_random"], self.device)
        self.loss_sum.copy_(kept["loss_sum"])
        if self.mean is not None:
            mean = kept["mean"]
            assert mean is not None
            self.mean.mean = {name: tensor.to(self.device) for name, tensor in mean.items()}
            self.mean.steps = kept["mean_steps"]
        for name, number in kept["state"].items():
            setattr(self, name, number)
        return True


def _alike(caches: Mapping[str, FeatureNote]) -> dict[str, dict[str, str | int | None]]:
    return {name: cache.alike() for name, cache in caches.items()}
