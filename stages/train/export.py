"""A trained model as one file that other programs run: ``torch.export`` (``.pt2``) or ONNX, one graph for every subset of the parts.

Inputs, by name: each part as a batch holds it (``image`` uint8 ``[B, H, W, 3]``, token ids int64 ``[B, T]``, sound float32 ``[B, T]``, ...),
``<part>_length`` int64 ``[B]`` for sounds and texts, and ``present`` bool ``[B, M]``.
Output: ``probabilities`` ``[B, O]``; for numbers the number itself.

What stands in an absent part's input does not matter. Beside the file, ``<name>.json`` says what the inputs are and what the outputs mean.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from ...schemas.disk import write_bytes
from ...schemas.errors import InputError, MissingPackageError
from ..stream import FusionBatch, Labels
from . import checkpoint
from .data import blank
from .options import MOST_PARTS

Format: TypeAlias = Literal["pt2", "onnx"]
_TOLERANCE = 1e-4
_TOLERANCE_INT8 = 0.25
_ROWS = 3
_TIMED = 30


class Exportable(nn.Module):
    """The model as a function of tensors alone."""

    def __init__(self, saved: checkpoint.Saved) -> None:
        super().__init__()
        self.model = saved.model.eval()
        self.names = saved.model.names
        self.with_length = tuple(name for name in self.names if blank(1, *_kind(saved, name))[1] is not None)
        self.link = saved.objective.link
        self.scale = (getattr(saved.objective, "deviation", 1.0), getattr(saved.objective, "mean", 0.0))

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs, in order."""
        return [*self.names, *(f"{name}_length" for name in self.with_length), "present"]

    def forward(self, *tensors: Tensor) -> Tensor:
        """Probabilities ``[B, O]``, or numbers ``[B, 1]`` in the target's own unit."""
        given = dict(zip(self.inputs, tensors, strict=True))
        parts = {name: given[name] for name in self.names}
        lengths = {name: given[f"{name}_length"] for name in self.with_length}
        batch = FusionBatch(self.names, Labels([], []), parts, lengths, {}, given["present"], given["present"][:, 0].float())
        logits: Tensor = self.model(batch).float()
        if self.link == "softmax":
            return logits.softmax(1)
        return logits.sigmoid() if self.link == "sigmoid" else logits * self.scale[0] + self.scale[1]


def export(path: Path, out: Path, sparsity: float = 0.0, int8: bool = False) -> dict[str, Any]:
    """Write a checkpoint as ``out`` (``.pt2`` or ``.onnx``), compare the file with the model for every subset of the parts, and time it.

    sparsity: share of the weights, those of smallest magnitude over all of them, that become 0 before (see :func:`prune`).
    int8: weights of linear maps and LSTMs as 8-bit integers (ONNX alone).
    """
    form = out.suffix.removeprefix(".")
    if form not in ("pt2", "onnx"):
        raise InputError(f"{out}: wanted a name that ends in .onnx or .pt2")
    if int8 and form != "onnx":
        raise InputError("int8 is for ONNX: give a name that ends in .onnx")
    saved = checkpoint.load(path)
    if len(saved.model.names) > MOST_PARTS:
        raise InputError(f"{len(saved.model.names)} parts have too many subsets to compare; at most {MOST_PARTS}")
    pruned = prune(saved.model, sparsity) if sparsity else 0.0
    whole = Exportable(saved)
    example = _example(saved, whole, _ROWS, 0)
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f".{out.stem}.new{out.suffix}")
    run = (_to_onnx if form == "onnx" else _to_pt2)(whole, example, aside, int8)
    furthest = _compare(saved, whole, run)
    if furthest <= (_TOLERANCE_INT8 if int8 else _TOLERANCE):
        aside.replace(out)
    else:
        aside.unlink()
        raise InputError(f"{out}: the exported graph differs from the model by {furthest:.2g}; it was not kept")
    one = _example(saved, whole, 1, 1)
    report = {
        "file": out.name, "inputs": {name: _shape(tensor) for name, tensor in zip(whole.inputs, example, strict=True)},
        "parts": list(saved.model.names), "output": "number" if saved.objective.link == "identity" else "probabilities",
        "answers": getattr(saved.objective, "classes", [saved.options.target]), "vocabularies": saved.vocabularies, "bytes": out.stat().st_size,
        "checkpoint_bytes": path.stat().st_size, "sparsity": round(pruned, 6), "int8": int8, "furthest_from_model": furthest,
        "subsets_compared": 2 ** len(saved.model.names), "ms_p50": _timed(lambda: run(one)), "ms_p50_model": _timed(lambda: whole(*one)),
    }  # fmt: skip
    write_bytes(out.with_name(out.name + ".json"), (json.dumps(report, ensure_ascii=False, indent=1) + "\n").encode())
    return report


@torch.no_grad()
def prune(model: nn.Module, sparsity: float) -> float:
    """Set the share ``sparsity`` of all weights of linear maps, convolutions and recurrent networks to 0, those of smallest magnitude.

    Global magnitude pruning (Han et al. 2015). Exactly ``floor(sparsity * N)`` weights become 0; the share that is 0 then, which is more where there
    were zeros, is the result.
    """
    if not 0 <= sparsity < 1:
        raise InputError(f"sparsity: wanted a share from 0 up to 1, found {sparsity}")
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.LSTM, nn.GRU)
    owners = [module for module in model.modules() if isinstance(module, kinds)]
    weights = [weight for module in owners for name, weight in module.named_parameters(recurse=False) if name.startswith("weight")]
    sizes = torch.cat([weight.abs().flatten() for weight in weights])
    gone = torch.zeros_like(sizes, dtype=torch.bool)
    gone[sizes.argsort(stable=True)[: int(sparsity * len(sizes))]] = True
    for weight, some in zip(weights, torch.split(gone, [weight.numel() for weight in weights]), strict=True):
        weight[some.view_as(weight)] = 0
    return float(sum((weight == 0).sum() for weight in weights)) / len(sizes)


def _to_pt2(whole: Exportable, example: list[Tensor], out: Path, int8: bool) -> Callable[[list[Tensor]], Tensor]:
    batch = torch.export.Dim("batch", min=1, max=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(whole, tuple(example), dynamic_shapes=(tuple({0: batch} for _ in example),))
        torch.export.save(program, out)
        module = torch.export.load(out).module()

    def run(tensors: list[Tensor]) -> Tensor:
        found: Tensor = module(*tensors)
        return found

    return run


def _to_onnx(whole: Exportable, example: list[Tensor], out: Path, int8: bool) -> Callable[[list[Tensor]], Tensor]:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  torch's exporter needs it, and says so only when it is too late
    except ImportError as error:
        raise MissingPackageError(str(error.name), "export", "ONNX") from error
    plain = out if not int8 else out.with_name(f".{out.name}.float.onnx")
    batch = torch.export.Dim("batch", min=1, max=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _quiet():
            torch.onnx.export(
                whole, tuple(example), plain, input_names=whole.inputs, output_names=["probabilities"], dynamo=True, external_data=False,
                verbose=False, dynamic_shapes=(tuple({0: batch} for _ in example),),
            )  # fmt: skip
    if int8:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        graph = onnx.load(plain)
        del graph.graph.value_info[:]  # shapes that torch wrote down, which the quantiser would rather infer itself
        with _quiet():
            quantize_dynamic(graph, out, weight_type=QuantType.QInt8)
        plain.unlink()
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    wanted = {one.name for one in session.get_inputs()}

    def run(tensors: list[Tensor]) -> Tensor:
        feed = {name: tensor.numpy() for name, tensor in zip(whole.inputs, tensors, strict=True) if name in wanted}
        return torch.from_numpy(session.run(None, feed)[0])

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters log what they lack and nobody asked for (torchvision)."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@torch.no_grad()
def _compare(saved: checkpoint.Saved, whole: Exportable, run: Callable[[list[Tensor]], Tensor]) -> float:
    """The largest difference of an output between the file and the model, over every subset of the parts."""
    furthest = 0.0
    for number, subset in enumerate(itertools.product((False, True), repeat=len(whole.names))):
        tensors = _example(saved, whole, 1 + number % _ROWS, number)
        tensors[-1] = torch.tensor(subset).expand(len(tensors[-1]), -1).contiguous()
        apart = float((run(tensors) - whole(*tensors)).abs().max())
        furthest = max(furthest, apart if math.isfinite(apart) else math.inf)
    return furthest


def _example(saved: checkpoint.Saved, whole: Exportable, rows: int, seed: int) -> list[Tensor]:
    """Inputs of the right shapes, filled at random."""
    random = torch.Generator().manual_seed(seed)
    parts, lengths = [], []
    for name in whole.names:
        empty, length = blank(rows, *_kind(saved, name))
        if empty.dtype == torch.uint8:
            parts.append(torch.randint(0, 256, empty.shape, generator=random, dtype=torch.uint8))
        elif empty.dtype == torch.int64:
            parts.append(torch.randint(1, len(saved.vocabularies[name]) + 2, empty.shape, generator=random))
        else:
            parts.append(torch.randn(empty.shape, generator=random) * 0.1)
        if length is not None:
            lengths.append(torch.randint(1, empty.shape[1] + 1, (rows,), generator=random))
    return [*parts, *lengths, torch.ones(rows, len(whole.names), dtype=torch.bool)]


def _kind(saved: checkpoint.Saved, name: str) -> tuple[str, Any, int]:
    return saved.modalities.get(name, "image"), saved.options.inputs[name], saved.about["dims"].get(name, 0)


def _shape(tensor: Tensor) -> dict[str, Any]:
    return {"shape": ["batch", *tensor.shape[1:]], "type": str(tensor.dtype).removeprefix("torch.")}


@torch.no_grad()
def _timed(action: Callable[[], object]) -> float:
    """Milliseconds of a call, the median of thirty after three."""
    found = []
    for number in range(_TIMED + 3):
        began = time.perf_counter()
        action()
        if number >= 3:
            found.append((time.perf_counter() - began) * 1000)
    return round(float(np.median(found)), 3)


def export_text(report: Mapping[str, Any]) -> str:
    """The report as lines."""
    lines = [f"{report['file']}: {report['bytes']:,} bytes (the checkpoint has {report['checkpoint_bytes']:,})"]
    lines += [f"  {name:<24}{entry['type']:<10}{entry['shape']}" for name, entry in report["inputs"].items()]
    lines.append(f"  gives {report['output']} of {len(report['answers']):,} answers, which {report['file']}.json lists")
    if report["sparsity"]:
        lines.append(f"  {report['sparsity']:.1%} of the weights are 0")
    lines.append(
        f"compared with the model for {report['subsets_compared']} subsets: at most {report['furthest_from_model']:.2g} apart;"
        f" a record takes {report['ms_p50']:.2f} ms, with the model itself {report['ms_p50_model']:.2f}"
    )
    return "\n".join(lines)
