"""The training loop: data, forward, loss, step, log, save.

The loss is a sum over the global batch divided by its size. Every random choice depends on (seed, epoch, key) or on a generator that is saved with
the weights, so a run that is stopped and resumed goes on as if it had not been: at the same number of processes with bitwise equal weights.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ...schemas.errors import InputError
from ...schemas.fingerprint import fingerprint
from ...schemas.index import read_shard_set
from ..stream import FusionBatch, Stream
from . import absence, checkpoint
from .about import write_about
from .before import before_training
from .data import completed, draws, open_split, records, shown
from .device import autocast, device_of, precision_of
from .evaluate import evaluate_saved, summary_text, write_report
from .fitting import fit_fusion, is_fitted
from .log import Log, where_time_went
from .optimise import MovingMean, make_optimiser, make_schedule, train_mode
from .options import TrainOptions
from .prepare import Prepared, build, prepare
from .ranks import as_the_first, is_first, rank, summed, together, wait_for_all, world
from .step import total
from .terms import Task

_EXAMPLES = 8
Say: TypeAlias = Callable[[str], None]
Watch: TypeAlias = Callable[[str, str], AbstractContextManager[Callable[[int, int], None]]]


def train(options: TrainOptions, shards: Path, features: Path, out: Path, seed: int, say: Say, watch: Watch | None = None) -> dict[str, Any]:
    """Train on a folder of shards, resume where an earlier run stopped, evaluate the best model on every subset of its parts.

    Writes ``last.pt``, ``best.pt``, ``log.jsonl``, TensorBoard events and ``evaluation.json`` below ``out``; the result is the evaluation.
    ``say`` is given a line for each epoch; ``watch(name, unit)`` a context that takes (done, total) while an epoch works. Under ``torchrun`` the
    processes train together.
    """
    with together(options.device):
        if not is_first():
            say, watch = _nothing, None
        return _train(options, shards, features, out, seed, say, watch or _unwatched)


def _train(options: TrainOptions, shards: Path, features: Path, out: Path, seed: int, say: Say, watch: Watch) -> dict[str, Any]:
    out.mkdir(parents=True, exist_ok=True)
    prepared = prepare(options, shards, features, seed)
    run = _Run(options, prepared, out, seed, say)
    if run.resume():
        kept = _kept_report(out, run.identity) if run.finished else None
        if kept is not None:
            say(f"training: finished before, on split {kept['split']}: {summary_text(kept)}")
            return kept
        say(f"training: resumed after epoch {run.epoch}" + (f" and {run.steps} steps" if run.steps else ""))
    else:
        run.clear()
        say(f"training: {run.parameters:,} parameters, {len(run.stream.index):,} records, {len(run.stream)} steps an epoch on {run.device}")
        if is_first():
            write_about(out, options, run.about, run.device, world(), run.parameters, seed)
        if options.checks:
            before_training(options, run.step, prepared, run.device, say)
    wait_for_all()
    log = Log(out) if is_first() else None
    while not run.finished:
        began = time.monotonic()
        with watch(f"training: epoch {run.epoch + 1}", "records") as advance:
            summary = _epoch(run, advance)
        with run.mean_weights():
            checked = _validate(run, shards, features)
            validation = checked.score
            better = run.judge(validation)
            if better and is_first():
                checkpoint.save(out / "best.pt", run.about, run.step.model, {"run": run.identity})
        summary |= {"epoch": run.epoch - 1, "seconds": round(time.monotonic() - began, 2), "validation": validation, "lr": run.rate}
        if log is not None:
            log.write({**summary, **({"weights": checked.weights} if checked.weights else {})}, checked.examples)
        run.save()
        score = "" if validation is None else f", {run.objective.metric} {validation:.3f}{' *' if better else ''}"
        say(
            f"training: epoch {run.epoch} of {options.epochs}, loss {summary['loss']:.4f}{score}, {summary['records_per_s']:,.0f} records/s,"
            f" waited {summary['wait_share']:.0%}, step {summary['step_ms_p50']:.0f} ms, bound by {summary['bound_by']}"
        )
    if log is not None:
        log.close()
    wait_for_all()
    report = evaluate_saved(checkpoint.load(out / "best.pt"), shards, features, _test_split(shards, options))
    report |= {"run": run.identity, "parameters": run.parameters, "chosen_on_this_split": report["split"] == options.val_split}
    if is_first():
        write_report(report, out)
    say(f"training: on split {report['split']}: {summary_text(report)}")
    return report


def _epoch(run: _Run, advance: Callable[[int, int], None]) -> dict[str, Any]:
    """The rest of an epoch; what it came to."""
    options, steps = run.options, len(run.stream)
    train_mode(run.step)
    waits, computes = [], []
    asked = time.monotonic()
    saved = asked
    for raw in run.stream if run.steps < steps else ():
        came = time.monotonic()
        batch, shown_BM, task = _on_device(run, raw)
        if world() > 1:  # so that every process goes on with the same chance when it is taken up again
            torch.manual_seed(int(fingerprint(run.seed, run.epoch, run.steps, rank())[:15], 16))
        with autocast(run.half, run.device):
            sums_K2 = run.forward(batch, shown_BM, task)
        run.learn(sums_K2)
        run.records += len(batch) * world()
        advance(min(run.records, len(run.stream.index)), len(run.stream.index))
        now = time.monotonic()
        waits.append(came - asked)
        computes.append(now - came)
        if run.steps < steps and now - saved >= options.save_every_s:
            run.save()
            saved = time.monotonic()
        asked = time.monotonic()
    loss = float(run.loss_sum) / max(1, run.steps)
    if not math.isfinite(loss):
        raise InputError(
            f"training: the loss is {loss} after epoch {run.epoch + 1}; lower learning_rate, or look for broken targets with 'modalmill inspect'"
        )
    seconds = sum(waits) + sum(computes)
    memory = torch.cuda.max_memory_allocated(run.device) if run.device.type == "cuda" else None
    found = {"loss": loss, "records_per_s": run.records / max(1e-9, seconds), **where_time_went(waits, computes)}
    return found if memory is None else {**found, "gpu_bytes": memory}


def _on_device(run: _Run, raw: FusionBatch) -> tuple[FusionBatch, Tensor, Task]:
    """The batch, which of its parts are shown, and what it is to be answered with."""
    batch = completed(raw, run.options, run.about["modalities"], run.about["dims"])
    if run.options.absent:
        kept_BM = absence.shown(absence.table(run.seed, batch.keys, batch.names), batch.present_BM.numpy(), run.options.absent)
        batch = batch.without(~torch.from_numpy(kept_BM))
    shown_BM = shown(batch, run.options.modality_dropout, run.seed, run.epoch)
    targets, draw_B = batch.targets(), draws(batch, run.seed, run.epoch)
    encoded, weight_B = run.objective.encode(targets)
    if run.options.complete_only:
        whole_B1 = batch.present_BM.all(1, keepdim=True)
        weight_B, batch = weight_B * whole_B1[:, 0], batch.without(~whole_B1)
        shown_BM &= whole_B1
    batch = batch.to(run.device)
    progress = (run.epoch + run.steps / len(run.stream)) / run.options.epochs
    task = Task(
        run.objective, encoded.to(run.device), weight_B.to(run.device) * batch.weight_B, targets, draw_B, progress, records(batch).to(run.device)
    )
    return batch, shown_BM.to(run.device), task


class _Run:
    """All that changes while a model is trained, and how it is saved and taken up again."""

    def __init__(self, options: TrainOptions, prepared: Prepared, out: Path, seed: int, say: Say) -> None:
        self.options, self.out, self.seed, self._say = options, out, seed, say
        self.device = device_of(options)
        self.half = precision_of(options, self.device)
        self.stream: Stream = prepared.stream
        self.objective, self.about = prepared.objective, prepared.about
        torch.manual_seed(seed)
        if options.deterministic:
            torch.use_deterministic_algorithms(True, warn_only=True)
        self.step, taken = build(options, prepared)
        if taken:
            say(f"training: {taken}")
        self.step.to(self.device)
        self.forward: nn.Module = self.step
        if options.compile:
            self.step.compile()
        if world() > 1:
            self.forward = nn.parallel.DistributedDataParallel(self.step)
            torch.manual_seed(seed + rank())
        self.optimiser = make_optimiser(self.step, options)
        self.groups = -(-len(self.stream) // options.accumulate)
        self.schedule = make_schedule(self.optimiser, options, max(1, self.groups * options.epochs))
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.half is torch.float16)
        self.mean = MovingMean(self.step.model, options.ema) if options.ema else None
        self.identity = fingerprint(checkpoint.VERSION, options.model_dump(exclude={"save_every_s", "threads", "checks"}), self.about["shards"], seed)
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
        """Gradients of the loss; a step of the optimiser when as many batches as it wants have been seen."""
        options, steps = self.options, len(self.stream)
        whole_K2 = summed(sums_K2.detach().clone())
        # DistributedDataParallel takes the mean over processes: times their number, over the global weight, it is the sum over the global batch
        loss = total(torch.stack([sums_K2[:, 0] * world(), whole_K2[:, 1]], 1))
        first = self.steps // options.accumulate * options.accumulate
        self.scaler.scale(loss / min(options.accumulate, steps - first)).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.loss_sum += total(whole_K2[:1].double())
        self.steps += 1
        if self.steps % options.accumulate and self.steps < steps:
            return
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.step.parameters(), options.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.schedule.step()
        if self.mean is not None:
            self.mean.update(self.step.model)

    @contextmanager
    def mean_weights(self) -> Iterator[None]:
        """The model with the moving mean of its weights, if one is kept."""
        if self.mean is None:
            yield
            return
        own = {name: tensor.clone() for name, tensor in self.step.model.state_dict().items()}
        self.step.model.load_state_dict(self.mean.mean)
        yield
        if is_fitted(self.step.model):  # what was fitted while the mean was here is kept for both
            learned = {name for name, parameter in self.step.model.named_parameters() if parameter.requires_grad}
            for name, tensor in self.step.model.state_dict().items():
                if name.startswith("fusion.") and name not in learned:
                    own[name], self.mean.mean[name] = tensor.clone(), tensor.clone()
        self.step.model.load_state_dict(own)

    def judge(self, validation: float | None) -> bool:
        """End the epoch; whether it was the best so far."""
        better = self.best is None or validation is None or validation > self.best
        self.since_best = 0 if better else self.since_best + 1
        self.best = validation if better else self.best
        self.epoch, self.steps, self.records = self.epoch + 1, 0, 0
        self.loss_sum.zero_()
        self.finished = self.epoch >= self.options.epochs or bool(self.options.patience and self.since_best >= self.options.patience)
        return better

    def save(self) -> None:
        """Write ``last.pt``: with it the run goes on from here."""
        if self.steps % self.options.accumulate:
            return  # gradients of half a step are not kept
        if not is_first():
            return
        state = {"epoch": self.epoch, "steps": self.steps, "records": self.records, "best": self.best, "since_best": self.since_best}
        training = {
            "run": self.identity, "state": {**state, "finished": self.finished}, "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(), "scaler": self.scaler.state_dict(), "stream": self.stream.state_dict(),
            "random": torch.get_rng_state(), "losses": self.step.losses.state_dict(), "loss_sum": self.loss_sum,
            "cuda_random": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "mean": None if self.mean is None else self.mean.mean, "mean_steps": 0 if self.mean is None else self.mean.steps,
        }  # fmt: skip
        checkpoint.save(self.out / "last.pt", self.about, self.step.model, training)

    def clear(self) -> None:
        """Put aside what another run left, into ``before``: its log and curves would go on in ours, and its model be written over."""
        if not is_first() or (not (self.out / "log.jsonl").exists() and not (self.out / "last.pt").exists()):
            return
        aside = self.out / "before"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        for name in ("best.pt", "last.pt", "log.jsonl", "run.json", "tensorboard", "evaluation.json", "evaluation.txt", "evaluation.png"):
            if (self.out / name).exists():
                (self.out / name).rename(aside / name)

    def _changes(self, before: dict[str, Any]) -> str:
        """What makes this another run."""
        if before["shards"] != self.about["shards"]:
            return f"the shards have changed (fingerprint {before['shards']}, now {self.about['shards']})"
        now = self.about["options"]
        names = [name for name in now if before["options"].get(name) != now[name]]
        return f"{', '.join(names)} changed" if names else "the seed has changed"

    def resume(self) -> bool:
        """Take up a run that was stopped; a checkpoint of other options or other shards is left to be written over."""
        path = self.out / "last.pt"
        if not path.is_file():
            return False
        try:
            value = checkpoint.read(path)
        except InputError as error:
            self._say(f"training: {error}; starting anew")
            return False
        kept = value["training"]
        if kept.get("run") != self.identity:
            self._say(f"training: {self._changes(value['about'])} since the last run here; starting anew, its files are in {self.out.name}/before")
            return False
        self.step.model.load_state_dict(value["model"])
        self.step.losses.load_state_dict(kept["losses"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.schedule.load_state_dict(kept["schedule"])
        self.scaler.load_state_dict(kept["scaler"])
        self.stream.load_state_dict(kept["stream"])
        if is_first():
            torch.set_rng_state(kept["random"])
            if kept["cuda_random"] is not None and self.device.type == "cuda":
                torch.cuda.set_rng_state(kept["cuda_random"], self.device)
        self.loss_sum.copy_(kept["loss_sum"])
        if self.mean is not None:
            self.mean.mean = {name: tensor.to(self.device) for name, tensor in kept["mean"].items()}
            self.mean.steps = kept["mean_steps"]
        for name, number in kept["state"].items():
            setattr(self, name, number)
        return True


@dataclass(frozen=True)
class _Checked:
    """Of the validation split: the mean score (None where there is no such split), the mean weight the fusion gives each part where it has
    weights, and some records with what was answered."""

    score: float | None = None
    weights: dict[str, float] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


@torch.no_grad()
def _validate(run: _Run, shards: Path, features: Path) -> _Checked:
    """The model on the validation split with everything present that is. All processes go on with the state of the first, and its score."""
    fitted = is_fitted(run.step.model)
    if run.options.val_split not in read_shard_set(shards).splits():
        if fitted:
            raise InputError(
                f"train.fusion: {run.options.fusion!r} is fitted on the validation split, and there is no split {run.options.val_split!r}"
            )
        return _Checked()
    as_the_first(run.step.model.state_dict().values())
    alone: dict[str, int] = {"rank": 0, "world": 1} if fitted else {}
    about, model = run.about, run.step.model
    stream = open_split(run.options, shards, features, run.options.val_split, 0, about["modalities"], about["vocabularies"], training=False, **alone)
    model.eval()
    if fitted:
        fit_fusion(model, run.objective, (completed(raw, run.options, about["modalities"], about["dims"]) for raw in stream), run.device)
    sums_2 = torch.zeros(2, dtype=torch.float64, device=run.device)
    gates_M2 = torch.zeros(len(model.names), 2, dtype=torch.float64, device=run.device)
    examples: list[str] = []
    for raw in stream:
        batch: FusionBatch = completed(raw, run.options, about["modalities"], about["dims"]).to(run.device)
        with autocast(run.half, run.device):
            tokens, masks = model.encode(batch)
            decided = model.decided(tokens, masks, batch.present_BM, batch.present_BM)
        logits = decided.logits_BO.float().cpu()
        scores, weights = run.objective.score(logits, batch.targets())
        weights = weights * raw.weight_B
        sums_2 += torch.stack([(scores * weights).sum(), weights.sum()]).to(run.device)
        gates_BM = decided.info.get("weights")
        if gates_BM is not None and gates_BM.shape == batch.present_BM.shape:
            gates_M2 += torch.stack([gates_BM.double().sum(0), batch.present_BM.double().sum(0)], 1)
        if not examples:
            answers = run.objective.answers(logits[:_EXAMPLES], 1)
            examples = [
                f"{key}: {answer[0][0] if answer else '-'} ({answer[0][1]:.0%}), wanted {target.get(run.options.target, '-')}"
                for key, answer, target in zip(batch.keys, answers, batch.targets(), strict=False)
            ]
    if fitted:
        as_the_first([*run.step.model.state_dict().values(), sums_2])
    score, weight = (sums_2 if fitted else summed(sums_2)).tolist()
    gates = {name: round(float(total / max(1, count)), 4) for name, (total, count) in zip(model.names, gates_M2.tolist(), strict=True)}
    return _Checked(score / weight if weight else None, gates if any(gates.values()) else {}, examples)


def _kept_report(out: Path, run: str) -> dict[str, Any] | None:
    """The evaluation that this very run wrote when it finished."""
    try:
        report: dict[str, Any] = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return report if report.get("run") == run else None


def _unwatched(name: str, unit: str) -> AbstractContextManager[Callable[[int, int], None]]:
    return nullcontext(lambda done, total: None)


def _nothing(line: str) -> None:
    pass


def _test_split(shards: Path, options: TrainOptions) -> str:
    splits = read_shard_set(shards).splits()
    return next((name for name in ("test", options.val_split, options.train_split) if name in splits), next(iter(splits)))
