"""The model on the validation split, after each epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from ....schemas.errors import InputError
from ....schemas.fingerprint import uniform_for
from ....schemas.index import read_shard_set
from ...stream import FusionBatch, Stream
from ..metrics.metric import Rows, metrics_of
from .device import autocast
from .post_fit import fit_fusion, is_fitted
from .ranks import as_the_first, gathered, summed
from .run import Run

_EXAMPLES = 8
_WORTH_HALVING = 20  # rows; of fewer, both halves are the whole


@dataclass(frozen=True)
class Checked:
    """Of the validation split: the mean score (None where there is no such split), the mean weight
    the fusion gives each part where it has weights, and some records with what was answered."""

    score: float | None = None
    weights: dict[str, float] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


class Validation:
    """The validation split of a folder of shards, opened once."""

    def __init__(self, run: Run, shards: Path) -> None:
        options = run.options
        self._fits = is_fitted(run.step.model)
        self._stream: Stream | None = None
        if read_shard_set(shards).records_of(options.val_split):
            # what is fitted is fitted to the same rows by all processes
            rank, world = (0, 1) if self._fits else (None, None)
            self._stream = run.inputs.open(shards, options.val_split, rank=rank, world=world)
        elif self._fits:
            raise InputError(
                f"train.fusion: {options.fusion!r} is fitted on the validation split, and there"
                f" is no split {options.val_split!r}"
            )
        else:
            run.say(
                f"training: there is no split {options.val_split!r} to choose the best epoch by;"
                " best.pt is that of the last one"
            )

    @torch.no_grad()
    def check(self, run: Run) -> Checked:
        """The model with everything present that is. All processes go on with the state of the
        first, and its score.
        """
        if self._stream is None:
            return Checked()
        model = run.step.model
        as_the_first(model.state_dict().values())
        model.eval()
        if self._fits:
            fit_fusion(model, run.objective, self._batches(run, self._stream, "to fit"), run.device)
        metric = metrics_of(run.options.task).get(run.options.metric or "")
        rows: list[tuple[Tensor, ...]] = []
        sums_2 = torch.zeros(2, dtype=torch.float64, device=run.device)
        gates_M2 = torch.zeros(len(model.names), 2, dtype=torch.float64, device=run.device)
        examples: list[str] = []
        for batch in self._batches(run, self._stream, "to score" if self._fits else ""):
            with autocast(run.half, run.device):
                tokens, masks = model.encode(batch)
                decided = model.decided(tokens, masks, batch.present_BM, batch.present_BM)
            logits, targets = decided.logits_BO.float().cpu(), batch.targets()
            scores, weights = run.objective.score(logits, targets)
            weights = weights * batch.weight_B.cpu()
            truth_B = run.objective.truth(targets) if metric is not None else None
            if truth_B is not None:
                here = weights > 0
                told = [truth_B, run.objective.chosen(logits)]
                told += (
                    [run.objective.meant(logits)]
                    if metric is not None and metric.needs_probability
                    else []
                )
                rows.append(tuple(column[here] for column in told))
            sums_2 += torch.stack([(scores * weights).sum(), weights.sum()]).to(run.device)
            gates_BM = decided.info.get("weights")
            if gates_BM is not None and gates_BM.shape == batch.present_BM.shape:
                gates_M2 += torch.stack(
                    [gates_BM.double().sum(0), batch.present_BM.double().sum(0)], 1
                )
            if not examples:
                answers = run.objective.answers(logits[:_EXAMPLES], 1)
                examples = [
                    f"{key}: {_words(answer)}, wanted {target.get(run.options.target, '-')}"
                    for key, answer, target in zip(batch.keys, answers, targets, strict=False)
                ]
        if self._fits:
            # fitted to the same rows, yet rounding may differ: all take what the first one has
            as_the_first([*model.state_dict().values(), sums_2])
        score, weight = (sums_2 if self._fits else summed(sums_2)).tolist()
        if metric is not None:
            every = rows if self._fits else gathered(rows)
            score = (
                metric.of(
                    Rows(*(torch.cat(columns).numpy() for columns in zip(*every, strict=True)))
                )
                if every
                else math.nan
            )
            weight = 0.0 if math.isnan(score) else 1.0
        gates_M2 = gates_M2 if self._fits else summed(gates_M2)
        gates = {
            name: round(float(total / max(1, count)), 4)
            for name, (total, count) in zip(model.names, gates_M2.tolist(), strict=True)
        }
        return Checked(
            score / weight if weight else None, gates if any(gates.values()) else {}, examples
        )

    def _batches(self, run: Run, stream: Stream, half: str = "") -> Iterator[FusionBatch]:
        """The split, or the half of it that a fusion is fitted to, or the other one, on which the
        epoch is chosen.
        """
        stream.set_epoch(0)
        for raw in stream:
            batch = run.inputs.completed(raw)
            # a fusion looks better than it is on the rows that it was fitted to
            if half and len(stream.index) >= _WORTH_HALVING:
                mine_B = torch.tensor(
                    [(uniform_for(0, "fit", key) < 0.5) == (half == "to fit") for key in batch.keys]
                )
                batch = replace(batch, weight_B=batch.weight_B * mine_B)
            yield batch.to(run.device)


def _words(answers: list[tuple[str, float | None]]) -> str:
    said = [
        answer if probability is None else f"{answer} ({probability:.0%})"
        for answer, probability in answers
    ]
    return ", ".join(said) or "-"
