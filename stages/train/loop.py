"""The training loop: data, forward, loss, step, log, save.

The loss is a sum over the global batch divided by its size. Every random choice depends on (seed, epoch, key), so a run that is stopped and
resumed goes on as if it had not been.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from ...schemas.errors import InputError
from ...schemas.fingerprint import fingerprint
from ...schemas.index import read_shard_set
from ..stream import FeatureSpec, FusionBatch, Stream
from ..stream.features import FeatureCache
from ..stream.text import build_vocabulary
from . import checkpoint
from .data import completed, draws, open_split, shown
from .device import autocast, device_of, precision_of
from .encoders.vector import Vector
from .evaluate import evaluate_saved, summary_text, write_report
from .fitting import fit_fusion, is_fitted
from .losses import fit_losses, make_losses
from .model import FusionModel
from .objectives import Objective, fit_objective
from .options import TrainOptions
from .step import Step, total
from .terms import Sizes, Task

_MOST_MEASURED = 50_000
Watch: TypeAlias = Callable[[str, str], AbstractContextManager[Callable[[int, int], None]]]


def train(
    options: TrainOptions, shards: Path, features: Path, out: Path, seed: int, say: Callable[[str], None], watch: Watch | None = None
) -> dict[str, Any]:
    """Train on a folder of shards, resume where an earlier run stopped, evaluate the best model on every subset of its parts.

    Writes ``last.pt``, ``best.pt``, ``log.jsonl``, TensorBoard events and ``evaluation.json`` below ``out``; the result is the evaluation.
    ``say`` is given a line for each epoch; ``watch(name, unit)`` a context that takes (done, total) while an epoch works.
    """
    out.mkdir(parents=True, exist_ok=True)
    device = device_of(options)
    torch.manual_seed(seed)
    about, objective, stream = _prepare(options, shards, features, seed)
    sizes = {name: len(words) + 2 for name, words in about["vocabularies"].items()}
    model = FusionModel(options, about["modalities"], sizes, about["dims"], objective.outputs, objective.link)
    model.start_from(objective.prior())
    _standardise(model, stream)
    vector = objective.outputs if isinstance(model.head, nn.Identity) else options.width
    step = Step(model, make_losses(options.losses, Sizes(len(model.names), options.width, vector, objective.outputs), about["losses"])).to(device)
    optimiser = torch.optim.AdamW(_groups(step, options.weight_decay), lr=options.learning_rate)
    total_steps = max(1, len(stream) * options.epochs)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.learning_rate, total_steps=total_steps + 1, pct_start=0.1)
    half = precision_of(options, device)
    scaler = torch.amp.GradScaler(device.type, enabled=half is torch.float16)
    state: dict[str, Any] = {"epoch": 0, "best": None, "since_best": 0, "finished": False}
    run = fingerprint(checkpoint.VERSION, options.model_dump(), about["shards"], seed)
    if _resume(out / "last.pt", run, about["shards"], step, optimiser, schedule, scaler, stream, state, say):
        kept = _kept_report(out, run) if state["finished"] else None
        if kept is not None:
            say(f"training: finished before, on split {kept['split']}: {summary_text(kept)}")
            return kept
        say(f"training: resumed after epoch {state['epoch']}")
    else:
        _clear(out, say)
    if not state["finished"]:
        say(
            f"training: {sum(p.numel() for p in model.parameters()):,} parameters, {len(stream.index):,} records,"
            f" {len(stream)} steps an epoch on {device}"
        )
    log = _Log(out)
    while not state["finished"]:
        epoch = state["epoch"]
        began = time.monotonic()
        with (watch or _unwatched)(f"training: epoch {epoch + 1}", "records") as advance:
            summary = _epoch(step, stream, objective, options, optimiser, schedule, scaler, half, device, seed, epoch, about, advance)
        validation = _validate(model, objective, options, shards, features, about, device, half)
        summary |= {"epoch": epoch, "seconds": round(time.monotonic() - began, 2), "validation": validation, "lr": schedule.get_last_lr()[0]}
        log.write(summary)
        better = state["best"] is None or validation is None or validation > state["best"]
        state["since_best"] = 0 if better else state["since_best"] + 1
        state["best"] = validation if better else state["best"]
        state["epoch"] = epoch + 1
        state["finished"] = epoch + 1 >= options.epochs or bool(options.patience and state["since_best"] >= options.patience)
        keeping = {
            "run": run, "state": dict(state), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict(), "scaler": scaler.state_dict(),
            "stream": stream.state_dict(), "random": torch.get_rng_state(), "losses": step.losses.state_dict(),
        }  # fmt: skip
        if better:
            checkpoint.save(out / "best.pt", about, model, {"run": run})
        checkpoint.save(out / "last.pt", about, model, keeping)
        shown = "" if validation is None else f", {objective.metric} {validation:.3f}{' *' if better else ''}"
        say(
            f"training: epoch {epoch + 1} of {options.epochs}, loss {summary['loss']:.4f}{shown}, {summary['records_per_s']:,.0f} records/s,"
            f" waited {summary['wait_share']:.0%}"
        )
    log.close()
    report = evaluate_saved(checkpoint.load(out / "best.pt"), shards, features, _test_split(shards, options))
    report["run"] = run
    write_report(report, out)
    say(f"training: on split {report['split']}: {summary_text(report)}")
    return report


def _kept_report(out: Path, run: str) -> dict[str, Any] | None:
    """The evaluation that this very run wrote when it finished."""
    try:
        report: dict[str, Any] = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return report if report.get("run") == run else None


def _clear(out: Path, say: Callable[[str], None]) -> None:
    """Take away what another run left: its log and curves would go on in ours."""
    if (out / "last.pt").exists():
        say("training: the options or the shards are others than those of the last run here; starting anew")
    (out / "log.jsonl").unlink(missing_ok=True)
    shutil.rmtree(out / "tensorboard", ignore_errors=True)


@contextmanager
def _unwatched(name: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda done, total: None


def _prepare(options: TrainOptions, shards: Path, features: Path, seed: int) -> tuple[dict[str, Any], Objective, Stream]:
    """What the checkpoint says of itself, the objective, and the training stream; all fitted on the training split alone."""
    shard_set = read_shard_set(shards)
    modalities = dict(shard_set.parts)
    for name in options.inputs:
        if name not in modalities:
            raise InputError(f"train.inputs.{name}: {shards} has no such part; its parts are {', '.join(modalities)}")
    plain = open_split(options, shards, features, options.train_split, seed, modalities, {}, training=True)
    records = range(len(plain.index))
    vocabularies: dict[str, dict[str, int]] = {}
    for name, spec in options.inputs.items():
        if modalities.get(name) == "text" and not spec.feature:
            alike = [name, *(other for other, entry in options.inputs.items() if entry.same_as == name)]
            texts = (text for one in alike for text in plain.index.texts(one, records))
            vocabularies[name] = vocabularies[spec.same_as] if spec.same_as else build_vocabulary(texts, spec.vocabulary)
    targets = [json.loads(text) for text in plain.index.targets(records)]
    objective = fit_objective(options, targets)
    stream = open_split(options, shards, features, options.train_split, seed, modalities, vocabularies, training=True)
    dims = {name: FeatureCache(Path(spec.folder), spec.part).dims for name, spec in stream.specs.items() if isinstance(spec, FeatureSpec)}
    about = {
        "options": options.model_dump(), "objective": objective.state(), "vocabularies": vocabularies, "modalities": modalities, "dims": dims,
        "losses": fit_losses(options.losses, targets), "shards": shard_set.fingerprint, "name": shard_set.name, "torch": torch.__version__,
    }  # fmt: skip
    return about, objective, stream


def _epoch(
    step: Step, stream: Stream, objective: Objective, options: TrainOptions, optimiser: torch.optim.Optimizer, schedule: Any, scaler: Any,
    half: torch.dtype | None, device: torch.device, seed: int, epoch: int, about: dict[str, Any], advance: Callable[[int, int], None],
) -> dict[str, Any]:  # fmt: skip
    step.train()
    loss_sum = torch.zeros((), device=device)
    records, waited, steps = 0, 0.0, len(stream)
    began = asked = time.monotonic()
    for number, raw in enumerate(stream):
        waited += time.monotonic() - asked
        batch = completed(raw, options, about["modalities"], about["dims"])
        shown_BM = shown(batch, options.modality_dropout, seed, epoch).to(device)
        targets = batch.targets()
        encoded, weight = objective.encode(targets)
        progress = (epoch + number / steps) / options.epochs
        batch = batch.to(device)
        task = Task(objective, encoded.to(device), weight.to(device) * batch.weight_B, targets, draws(batch, seed, epoch), progress)
        with autocast(half, device):
            sums_K2 = step(batch, shown_BM, task)
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(total(sums_K2)).backward()
        scaler.unscale_(optimiser)
        nn.utils.clip_grad_norm_(step.parameters(), options.clip)
        scaler.step(optimiser)
        scaler.update()
        schedule.step()
        loss_sum += total(sums_K2[:1].detach())
        records += len(batch)
        advance(records, steps * stream.batch_size)
        asked = time.monotonic()
    seconds = max(1e-9, time.monotonic() - began)
    loss_mean = float(loss_sum) / max(1, steps)
    if not torch.isfinite(torch.tensor(loss_mean)):
        raise InputError(
            f"training: the loss is {loss_mean} after epoch {epoch + 1}; lower learning_rate, or look for broken targets with 'modalmill inspect'"
        )
    return {"loss": loss_mean, "records_per_s": records / seconds, "wait_share": waited / seconds}


@torch.no_grad()
def _validate(
    model: FusionModel,
    objective: Objective,
    options: TrainOptions,
    shards: Path,
    features: Path,
    about: dict[str, Any],
    device: torch.device,
    half: torch.dtype | None,
) -> float | None:
    """Mean score on the validation split with everything present that is; None where there is no such split."""
    if options.val_split not in read_shard_set(shards).splits():
        return None
    stream = open_split(options, shards, features, options.val_split, 0, about["modalities"], about["vocabularies"], training=False)
    model.eval()
    if is_fitted(model):
        fit_fusion(model, objective, (completed(raw, options, about["modalities"], about["dims"]) for raw in stream), device)
    score, weight = 0.0, 0.0
    for raw in stream:
        batch: FusionBatch = completed(raw, options, about["modalities"], about["dims"]).to(device)
        with autocast(half, device):
            logits = model(batch)
        scores, weights = objective.score(logits.cpu(), batch.targets())
        weights = weights * raw.weight_B
        score += float((scores * weights).sum())
        weight += float(weights.sum())
    return score / weight if weight else None


def _resume(
    path: Path, run: str, shards: str, step: Step, optimiser: Any, schedule: Any, scaler: Any, stream: Stream, state: dict[str, Any],
    say: Callable[[str], None],
) -> bool:  # fmt: skip
    """Take up a run that was stopped; a checkpoint of other options or other shards is left to be written over."""
    if not path.is_file():
        return False
    try:
        value = checkpoint.read(path)
    except InputError as error:
        say(f"training: {error}; starting anew")
        return False
    kept = value["training"]
    if kept.get("run") != run or value["about"]["shards"] != shards:
        return False
    step.model.load_state_dict(value["model"])
    step.losses.load_state_dict(kept["losses"])
    optimiser.load_state_dict(kept["optimiser"])
    schedule.load_state_dict(kept["schedule"])
    scaler.load_state_dict(kept["scaler"])
    stream.load_state_dict(kept["stream"])
    torch.set_rng_state(kept["random"])
    state |= kept["state"]
    return True


def _standardise(model: FusionModel, stream: Stream) -> None:
    """Let the encoders of cached vectors know the mean and deviation of the training split."""
    for name, spec in stream.specs.items():
        encoder = dict(model.encoders.items()).get(name)
        if isinstance(spec, FeatureSpec) and isinstance(encoder, Vector):
            cache = FeatureCache(Path(spec.folder), spec.part)
            rows = cache.rows(stream.index.all_keys())
            rows = rows[rows >= 0][:: max(1, len(rows) // _MOST_MEASURED)]
            vectors = torch.from_numpy(cache.vectors[rows].astype("float64"))
            if len(vectors):
                encoder.standardise(vectors.mean(0), vectors.std(0, correction=0))


def _groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights of two and more dimensions decay; biases, norms and embeddings of one do not."""
    heavy = [p for p in model.parameters() if p.dim() > 1]
    light = [p for p in model.parameters() if p.dim() <= 1]
    return [{"params": heavy, "weight_decay": decay}, {"params": light, "weight_decay": 0.0}]


def _test_split(shards: Path, options: TrainOptions) -> str:
    splits = read_shard_set(shards).splits()
    return next((name for name in ("test", options.val_split, options.train_split) if name in splits), next(iter(splits)))


class _Log:
    """Each epoch as one line of ``log.jsonl`` and, where TensorBoard is installed, as scalars."""

    def __init__(self, out: Path) -> None:
        self._path = out / "log.jsonl"
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(out / "tensorboard"))
        except ImportError:
            pass

    def write(self, summary: dict[str, Any]) -> None:
        """Add one epoch."""
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(summary) + "\n")
        if self._writer is not None:
            for name, value in summary.items():
                if isinstance(value, (int, float)) and name != "epoch":
                    self._writer.add_scalar(name, value, summary["epoch"])

    def close(self) -> None:
        """Write out what is left."""
        if self._writer is not None:
            self._writer.close()
