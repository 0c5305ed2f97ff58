"""A trained model as one file that other programs run, one graph for every subset of the parts;
compared with the model, timed and scored.

Inputs, by name: each part as a batch holds it (``image`` uint8 ``[B, H, W, 3]``, token ids int64
``[B, T]``, sound float32 ``[B, T]``, sequences of features float32 ``[B, T, D]`` with T as long as
the longest of a batch, ...), ``<part>_length`` int64 ``[B]`` for sounds, texts and sequences, and
``present`` bool ``[B, M]``. Output: ``probabilities`` ``[B, O]``; for numbers the number itself.

What stands in an absent part's input does not matter. Beside the file, ``<name>.json`` says what
the inputs are and what the outputs mean.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor

from ....schemas.disk import write_bytes
from ....schemas.errors import InputError
from ....schemas.json_value import JsonValue
from ....schemas.plain_text import decimals, plain_table, render_text
from ...modalities.text import learned_words
from ...modalities.text.words import SPECIAL_TOKENS
from ...stream import FusionBatch, Stream
from ..data.inputs import chosen_split, shards_of
from ..data.subsets import largest_first, subsets_of
from ..evaluation.views import survey_subsets
from ..model import checkpoint
from .onnx_pt2 import Exportable, Graph, to_onnx, to_pt2
from .pruning import prune

_TOLERANCE = 1e-4
_TOLERANCE_INT8 = 0.25
_ROWS = 3
_LENGTHS = (5, 1, 9)  # of sequences in examples
_TIMED = 30


class Tensors(TypedDict):
    """An input of the file."""

    shape: list[str | int]
    type: str


class Scores(TypedDict):
    """subsets: parts shown -> the metric of the ``file``, and of the ``model`` as trained."""

    split: str
    metric: str
    subsets: dict[str, dict[str, float]]


class Exported(TypedDict):
    """What stands beside the file: how it is used, and how it compares with the model.

    output: ``number`` or ``probabilities``. answers: what the outputs stand for. fitted, features:
        what its parts were made by.
    """

    file: str
    inputs: dict[str, Tensors]
    parts: list[str]
    output: str
    answers: list[str]
    fitted: dict[str, Mapping[str, object]]
    features: dict[str, dict[str, JsonValue]]
    bytes: int
    checkpoint_bytes: int
    sparsity: float
    int8: bool
    furthest_from_model: float
    subsets_compared: int
    ms_p50: float
    ms_p50_model: float
    scores: NotRequired[Scores]


def export(
    path: Path,
    out: Path,
    sparsity: float = 0.0,
    int8: bool = False,
    shards: Path | None = None,
    split: str = "",
) -> Exported:
    """Write a checkpoint as ``out`` (``.pt2`` or ``.onnx``), compare the file with the model for
    every subset of the parts, and time it.

    sparsity: share of the weights, those of smallest magnitude over all of them, that become 0
        before (see :func:`prune`).
    int8: weights of linear maps and LSTMs as 8-bit integers (ONNX alone).
    shards: where given, the file is scored on a split of them for every subset, beside the model as
        it was trained.
    """
    form = out.suffix.removeprefix(".")
    if form not in ("pt2", "onnx"):
        raise InputError(f"{out}: wanted a name that ends in .onnx or .pt2")
    if int8 and form != "onnx":
        raise InputError("int8 is for ONNX: give a name that ends in .onnx")
    if split and shards is None:
        raise InputError("--split: says which records of --shards to score; give --shards as well")
    saved = checkpoint.load(path)
    stream = None
    if shards is not None:  # what is wrong with them is told before the work
        split = chosen_split(shards_of(shards), split)
        stream = saved.inputs.open(shards_of(shards), split, rank=0, world=1)
    subsets = subsets_of(saved.inputs.names)
    pruned = prune(saved.model, sparsity) if sparsity else 0.0
    whole = Exportable(saved)
    example = _example(saved, whole, _ROWS, 0)
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f".{out.stem}.new{out.suffix}")
    run = to_onnx(whole, example, aside, int8) if form == "onnx" else to_pt2(whole, example, aside)
    furthest = _compare(saved, whole, run, subsets)
    if furthest <= (_TOLERANCE_INT8 if int8 else _TOLERANCE):
        aside.replace(out)
    else:
        aside.unlink()
        raise InputError(
            f"{out}: the exported graph differs from the model by {furthest:.2g}; it was not kept"
        )
    single = _example(saved, whole, 1, 1)
    report: Exported = {
        "file": out.name,
        "inputs": {
            name: _shape(tensor, sizes)
            for name, tensor, sizes in zip(whole.inputs, example, whole.free_sizes, strict=True)
        },
        "parts": list(saved.inputs.names),
        "output": "number" if saved.objective.link == "identity" else "probabilities",
        "answers": saved.objective.classes or [saved.options.target],
        "fitted": dict(saved.inputs.fitted),
        "features": {name: note.to_dict() for name, note in saved.inputs.caches.items()},
        "bytes": out.stat().st_size,
        "checkpoint_bytes": path.stat().st_size,
        "sparsity": round(pruned, 6),
        "int8": int8,
        "furthest_from_model": furthest,
        "subsets_compared": len(subsets),
        "ms_p50": _timed(lambda: run(single)),
        "ms_p50_model": _timed(lambda: whole(*single)),
    }
    if stream is not None:
        report["scores"] = _scores(saved, checkpoint.load(path), whole, run, stream, split)
    write_bytes(
        out.with_name(out.name + ".json"),
        (json.dumps(report, ensure_ascii=False, indent=1) + "\n").encode(),
    )
    return report


class _File:
    """The exported file in the place of the model, so that it is scored by the same means."""

    def __init__(self, whole: Exportable, run: Graph) -> None:
        self._whole, self._run = whole, run

    def encode(self, batch: FusionBatch) -> tuple[list[Tensor], list[Tensor]]:
        """The file's inputs: it encodes and decides at once."""
        return self._whole.tensors(batch), []

    def decide(self, tokens: list[Tensor], masks: list[Tensor], present_BM: Tensor) -> Tensor:
        """Logits of what the file answers."""
        return self._whole.objective.logits(self._run([*tokens, present_BM]))


def _scores(
    saved: checkpoint.Saved,
    trained: checkpoint.Saved,
    whole: Exportable,
    run: Graph,
    stream: Stream,
    split: str,
) -> Scores:
    """The metric for every subset: of the file, and of the model as it was trained."""
    metric = saved.objective.metric
    asked = {
        "file": survey_subsets(saved, stream, _File(whole, run)),
        "model": survey_subsets(trained, stream),
    }
    subsets = {
        name: {who: survey.summary(name, metric)[metric] for who, survey in asked.items()}
        for name in asked["file"].views
    }
    return {"split": split, "metric": metric, "subsets": subsets}


@torch.no_grad()
def _compare(
    saved: checkpoint.Saved, whole: Exportable, run: Graph, subsets: Mapping[str, tuple[bool, ...]]
) -> float:
    """The largest difference of an output between the file and the model over every subset of the
    parts, numbers in deviations of their target.
    """
    zero_1O = torch.zeros(1, saved.objective.outputs)
    unit = (
        float((saved.objective.meant(zero_1O + 1) - saved.objective.meant(zero_1O)).abs().max())
        if saved.objective.link == "identity"
        else 1.0
    )
    furthest = 0.0
    for number, subset in enumerate(subsets.values()):
        # of several sizes: a graph may have kept that of the example
        tensors = _example(saved, whole, 1 + number % _ROWS, number)
        tensors[-1] = torch.tensor(subset).expand(len(tensors[-1]), -1).contiguous()
        apart = float((run(tensors) - whole(*tensors)).abs().max()) / unit
        furthest = max(furthest, apart if math.isfinite(apart) else math.inf)
    return furthest


def _example(saved: checkpoint.Saved, whole: Exportable, rows: int, seed: int) -> list[Tensor]:
    """Inputs of the right shapes, filled at random."""
    random = torch.Generator().manual_seed(seed)
    parts, lengths = [], []
    for name in whole.names:
        empty, length = saved.inputs.blank(name, rows)
        if name in whole.sequences:
            length_of_all = whole.sequences[name] or _LENGTHS[seed % len(_LENGTHS)]
            empty = empty.expand(-1, length_of_all, -1)
        if empty.dtype == torch.uint8:
            parts.append(torch.randint(0, 256, empty.shape, generator=random, dtype=torch.uint8))
        elif empty.dtype == torch.int64:
            fitted = learned_words(saved.inputs.fitted[name])
            token_ids = len(fitted["vocabulary"]) + SPECIAL_TOKENS
            parts.append(torch.randint(1, token_ids, empty.shape, generator=random))
        else:
            parts.append(torch.randn(empty.shape, generator=random) * 0.1)
        if length is not None:
            lengths.append(torch.randint(1, empty.shape[1] + 1, (rows,), generator=random))
    return [*parts, *lengths, torch.ones(rows, len(whole.names), dtype=torch.bool)]


def _shape(tensor: Tensor, free_sizes: Container[int]) -> Tensors:
    own = ["length" if place in free_sizes else size for place, size in enumerate(tensor.shape)]
    return {"shape": ["batch", *own[1:]], "type": str(tensor.dtype).removeprefix("torch.")}


@torch.no_grad()
def _timed(action: Callable[[], object]) -> float:
    """Milliseconds of a call, the median of thirty after three."""
    durations_ms = []
    for number in range(_TIMED + 3):
        began = time.perf_counter()
        action()
        if number >= 3:
            durations_ms.append((time.perf_counter() - began) * 1000)
    return round(float(np.median(durations_ms)), 3)


def export_text(report: Exported) -> str:
    """The report as lines."""
    lines: list[object] = [
        f"{report['file']}: {report['bytes']:,} bytes (the checkpoint has"
        f" {report['checkpoint_bytes']:,})"
    ]
    lines += [
        f"  {name:<24}{entry['type']:<10}{entry['shape']}"
        for name, entry in report["inputs"].items()
    ]
    lines.append(
        f"  gives {report['output']} of {len(report['answers']):,} answers, which"
        f" {report['file']}.json lists"
    )
    if report["sparsity"]:
        lines.append(f"  {report['sparsity']:.1%} of the weights are 0")
    lines.append(
        f"compared with the model for {report['subsets_compared']} subsets: at most"
        f" {report['furthest_from_model']:.2g} apart;"
        f" a record takes {report['ms_p50']:.2f} ms, with the model itself"
        f" {report['ms_p50_model']:.2f}"
    )
    if "scores" in report:
        scores = report["scores"]
        columns = ("file", "as trained")
        head = f"{scores['metric']} on split {scores['split']}"
        table = plain_table(head, *columns, right=columns)
        for name in largest_first(scores["subsets"]):
            pair = scores["subsets"][name]
            table.add_row(name, decimals(pair["file"]), decimals(pair["model"]))
        lines.append(table)
    return render_text(*lines)
