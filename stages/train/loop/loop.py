"""The training loop: data, forward, loss, step, log, save.

The loss is a sum over the global batch divided by its size. Every random choice depends on (seed,
epoch, key) or on a generator that is saved with the weights, so a run that is stopped and resumed
goes on as if it had not been: at the same number of processes with bitwise equal weights.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from ....schemas.contents import names_of
from ....schemas.errors import InputError
from ....schemas.fingerprint import fingerprint
from ....schemas.plain_text import decimals
from ...stream import FusionBatch
from ..data import hiding
from ..data.chance import mixing, record_numbers
from ..data.inputs import chosen_split
from ..evaluation.evaluate import (
    Evaluation,
    OfTraining,
    evaluate_saved,
    summary_text,
    write_evaluation,
)
from ..evaluation.watch import Watch, unwatched
from ..methods.loggers import check_loggers
from ..model import checkpoint
from ..model.loss_terms import BatchTargets
from ..options import TrainOptions
from .device import autocast
from .log import EpochLine, Learned, Log, Memory, opened_log, where_time_went
from .optimise import train_mode
from .preflight import before_training
from .prepare import prepare
from .ranks import is_first, rank, together, wait_for_all, world
from .run import Run, Say
from .run_json import write_about
from .validation import Validation

_TESTS = ("test", "testing", "tst", "eval")  # how data call the split that is for testing alone


def train(
    options: TrainOptions, shards: Path, out: Path, seed: int, say: Say, watch: Watch | None = None
) -> Evaluation:
    """Train on a folder of shards and the ``features`` beside it, resume where an earlier run
    stopped, evaluate the best model.

    Writes ``last.pt``, ``best.pt``, ``log.jsonl``, what loggers write and ``evaluation.json`` below
    ``out``; the result is the evaluation. ``say`` is given a line for each epoch; ``watch(name,
    unit)`` a context that takes (done, total) while an epoch works. Under ``torchrun`` the
    processes train together.
    """
    with together(options.device):
        if not is_first():
            say, watch = _nothing, None
        return _train(options, shards, out, seed, say, watch or unwatched)


def _train(
    options: TrainOptions, shards: Path, out: Path, seed: int, say: Say, watch: Watch
) -> Evaluation:
    check_loggers(options.log)
    out.mkdir(parents=True, exist_ok=True)
    prepared = prepare(options, shards, seed)
    run = Run(prepared, out, seed, say)
    resumed = run.resume()
    if resumed:
        # finished without its report: only the evaluation is left to do
        kept = _kept_report(out, run.identity) if run.finished else None
        if kept is not None:
            say(f"training: finished before, on split {kept['split']}: {summary_text(kept)}")
            return kept
        say(
            f"training: resumed after epoch {run.epoch}"
            + (f" and {run.steps} steps" if run.steps else "")
        )
    else:
        run.clear()
        say(
            f"training: {run.parameters:,} parameters, {len(run.stream.index):,} records,"
            f" {len(run.stream)} steps an epoch on {run.device}"
        )
        if is_first():
            write_about(out, options, run.header, run.device, world(), run.parameters, seed)
    # first, for it may refuse what the checks would take long over
    validation = Validation(run, shards)
    if options.checks and not resumed:
        before_training(run.step, prepared, run.device, say)
    wait_for_all()
    if not run.finished:
        logged = opened_log(options, out, run.header.name, seed, say)
        with logged if is_first() else nullcontext() as log:
            _epochs(run, validation, watch, log)
    # every process reads best.pt, which the first one wrote
    wait_for_all()
    split = chosen_split(shards, else_of=(*_TESTS, options.val_split, options.train_split))
    of_training: OfTraining = {
        "run": run.identity,
        "parameters": run.parameters,
        "chosen_on_this_split": split in names_of(options.val_split),
        "trained_on_this_split": split in names_of(options.train_split),
    }
    report = evaluate_saved(checkpoint.load(out / "best.pt"), shards, split, of_training)
    if is_first():
        write_evaluation(report, out)
    say(f"training: on split {report['split']}: {summary_text(report)}")
    return report


def _epochs(run: Run, validation: Validation, watch: Watch, log: Log | None) -> None:
    """Train until the run is finished. log: of the first process alone."""
    options, out = run.options, run.out
    while not run.finished:
        began = time.monotonic()
        with watch(f"training: epoch {run.epoch + 1}", "records") as advance:
            learned = _epoch(run, advance)
        if run.epoch == 0:
            for why, count in sorted(run.stream.uncopied.items()):
                run.say(f"training: {count:,} records left as they are by {why}")
        # judged and kept with the mean of the weights, then trained on with the last ones
        with run.mean_weights():
            checked = validation.check(run)
            better = run.end_epoch(checked.score)
            if better and is_first():
                checkpoint.save(out / "best.pt", run.header, run.step, {"run": run.identity})
        # end_epoch has counted this epoch already
        line: EpochLine = {
            **learned,
            "epoch": run.epoch - 1,
            "seconds": round(time.monotonic() - began, 2),
            "validation": checked.score,
            "lr": run.rate,
        }
        # before the state is saved: after a kill a line may stand twice, and none is lost
        if log is not None:
            log.write(line, checked.weights, checked.examples)
        # whatever stops the run from here on costs nothing of this epoch
        run.save()
        score = (
            ""
            if checked.score is None
            else f", {options.metric or run.objective.metric}"
            f" {decimals(checked.score)}{' *' if better else ''}"
        )
        run.say(
            f"training: epoch {run.epoch} of {options.epochs}, loss {line['loss']:.4f}{score},"
            f" {line['records_per_s']:,.0f} records/s,"
            f" waited {line['wait_share']:.0%}, step {line['step_ms_p50']:.0f} ms, bound by"
            f" {line['bound_by']}"
        )


def _epoch(run: Run, advance: Callable[[int, int], None]) -> Learned:
    """The rest of an epoch; what it came to."""
    options, steps = run.options, len(run.stream)
    train_mode(run.step)
    waits, computes = [], []
    asked = time.monotonic()
    saved = asked
    for raw in run.stream if run.steps < steps else ():
        # data: the time since the last step went into waiting for it
        came = time.monotonic()
        batch, shown_BM, task = _on_device(run, raw)
        # so that every process goes on with the same chance when it is taken up again
        if world() > 1:
            torch.manual_seed(int(fingerprint(run.seed, run.epoch, run.steps, rank())[:15], 16))
        # forward: sums and weights of the terms, which processes can add up before dividing
        with autocast(run.half, run.device):
            sums_K2 = run.forward(batch, shown_BM, task)
        # loss and step: the run knows how many batches a step takes
        run.learn(sums_K2)
        # as if the other processes' batches held as many: a display is not worth an exchange
        run.records += int((raw.weight_B > 0).sum()) * world()
        advance(min(run.records, len(run.stream.index)), len(run.stream.index))
        now = time.monotonic()
        waits.append(came - asked)
        computes.append(now - came)
        # not after the last step: the end of the epoch saves in a moment
        if run.steps < steps and now - saved >= options.save_every_s:
            run.save()
            saved = time.monotonic()
        # the time of saving is neither waiting nor computing
        asked = time.monotonic()
    # once an epoch, since reading a number from the device waits for it
    loss = float(run.loss_sum) / max(1, run.steps)
    if not math.isfinite(loss):
        raise InputError(
            f"training: the loss is {loss} after epoch {run.epoch + 1}; lower learning_rate, or"
            " look for broken targets with 'modalmill inspect'"
        )
    seconds = sum(waits) + sum(computes)
    memory: Memory = {}
    if run.device.type == "cuda":
        memory["gpu_bytes"] = torch.cuda.max_memory_allocated(run.device)
    return {
        "loss": loss,
        "records_per_s": run.records / max(1e-9, seconds),
        **where_time_went(waits, computes),
        **memory,
    }


def _on_device(run: Run, raw: FusionBatch) -> tuple[FusionBatch, Tensor, BatchTargets]:
    """The batch, which of its parts are shown, and what it is to be answered with."""
    batch = run.inputs.completed(raw)
    # taken away for good, unlike what is hidden: no loss may ask for it either
    if run.options.absent:
        kept_BM = hiding.shown(
            hiding.table(run.seed, batch.keys, batch.names),
            batch.present_BM.numpy(),
            run.options.absent,
        )
        batch = batch.without(~torch.from_numpy(kept_BM))
    shown_BM = hiding.shown_in_training(batch, run.options.modality_dropout, run.seed, run.epoch)
    targets, draw_B = batch.targets(), mixing(batch, run.seed, run.epoch)
    encoded, weight_B = run.objective.encode(targets)
    if run.options.complete_only:
        # such rows stay without weight: batches keep their shape, and epochs their steps
        whole_B1 = batch.present_BM.all(1, keepdim=True)
        weight_B, batch = weight_B * whole_B1[:, 0], batch.without(~whole_B1)
        shown_BM &= whole_B1
        # for losses that read targets of their own
        targets = [
            target if whole else {}
            for target, whole in zip(targets, whole_B1[:, 0].tolist(), strict=True)
        ]
    batch = batch.to(run.device)
    progress = (run.epoch + run.steps / len(run.stream)) / run.options.epochs
    task = BatchTargets(
        run.objective,
        encoded.to(run.device),
        weight_B.to(run.device) * batch.weight_B,
        targets,
        draw_B,
        progress,
        record_numbers(batch).to(run.device),
    )
    return batch, shown_BM.to(run.device), task


def _kept_report(out: Path, run: str) -> Evaluation | None:
    """The evaluation that this very run wrote when it finished."""
    try:
        report: Evaluation = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return report if report.get("run") == run else None


def _nothing(line: str) -> None:
    pass
