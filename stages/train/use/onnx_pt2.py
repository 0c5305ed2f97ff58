"""A model as a graph in a file that other programs run: ``torch.export`` (``.pt2``) or ONNX."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ....schemas.errors import InputError, MissingPackageError
from ...stream import FusionBatch, Labels
from ..model import checkpoint

_MOST_STEPS = 512

Graph: TypeAlias = Callable[[list[Tensor]], Tensor]


class Exportable(nn.Module):
    """The model as a function of tensors alone."""

    def __init__(self, saved: checkpoint.Saved) -> None:
        super().__init__()
        self.model = saved.model.eval()
        self.names = saved.model.names
        self.with_length = tuple(
            name for name in self.names if saved.inputs.blank(name, 1)[1] is not None
        )
        # name -> the length that all sequences of a part are brought to, None where any will do
        self.sequences = {
            name: saved.inputs.caches[name].longest
            if getattr(saved.model.encoders[name], "is_unrolled", False)
            else None
            for name in self.names
            if saved.inputs.is_sequence(name)
        }
        for name, longest in self.sequences.items():
            if longest is not None and longest > _MOST_STEPS:
                raise InputError(
                    f"{name}: its LSTM becomes a graph with a step for each vector, and its"
                    f" sequences may have {longest:,} of them; wanted at most {_MOST_STEPS:,}:"
                    " train on features with a smaller longest, or with sequence_transformer,"
                    " whose graph takes any length"
                )
        self.objective = saved.objective

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs, in order."""
        return [*self.names, *(f"{name}_length" for name in self.with_length), "present"]

    @property
    def free_sizes(self) -> list[dict[int, torch.export.Dim]]:
        """For each input, the dimensions whose size a file leaves open: the batch, and how long
        sequences are.
        """
        batch = torch.export.Dim("batch", min=1, max=4096)
        return [
            {0: batch, 1: torch.export.Dim(f"length_{place}", min=1, max=1 << 16)}
            if name in self.sequences and self.sequences[name] is None
            else {0: batch}
            for place, name in enumerate(self.inputs)
        ]

    def forward(self, *tensors: Tensor) -> Tensor:
        """Probabilities ``[B, O]``, or numbers ``[B, 1]`` in the target's own unit."""
        by_name = dict(zip(self.inputs, tensors, strict=True))
        parts = {name: by_name[name] for name in self.names}
        lengths = {name: by_name[f"{name}_length"] for name in self.with_length}
        batch = FusionBatch(
            self.names,
            Labels([], []),
            parts,
            lengths,
            {},
            by_name["present"],
            by_name["present"][:, 0].float(),
        )
        return self.objective.meant(self.model(batch))

    def tensors(self, batch: FusionBatch) -> list[Tensor]:
        """The inputs that a batch makes, without presence; cached features, kept in half precision,
        in full.
        """
        parts = [self._of_length(name, batch.parts[name]) for name in self.names]
        return [
            *(part.float() if part.is_floating_point() else part for part in parts),
            *(batch.lengths[name] for name in self.with_length),
        ]

    def _of_length(self, name: str, part: Tensor) -> Tensor:
        """The part; its sequences of the one length that the graph takes, if it takes one."""
        length = self.sequences.get(name)
        if length is None:
            return part
        return nn.functional.pad(part, (0, 0, 0, length - part.shape[1]))


def to_pt2(whole: Exportable, example: list[Tensor], out: Path) -> Graph:
    """Write what ``torch.export`` makes of the model; the file, read again, as a function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            whole, tuple(example), dynamic_shapes=(tuple(whole.free_sizes),)
        )
        torch.export.save(program, out)
        module = torch.export.load(out).module()

    def run(tensors: list[Tensor]) -> Tensor:
        output: Tensor = module(*tensors)
        return output

    return run


def to_onnx(whole: Exportable, example: list[Tensor], out: Path, int8: bool) -> Graph:
    """Write ONNX, weights as 8-bit integers if so wished; the file, run by onnxruntime, as a
    function.
    """
    try:
        import onnxruntime

        # torch's exporter needs it, and says so only when it is too late
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(str(error.name), "export", "ONNX") from error
    plain = out if not int8 else out.with_name(f".{out.name}.float.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _quiet():
            torch.onnx.export(
                whole,
                tuple(example),
                plain,
                input_names=whole.inputs,
                output_names=["probabilities"],
                dynamo=True,
                external_data=False,
                verbose=False,
                dynamic_shapes=(tuple(whole.free_sizes),),
            )
    if int8:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        graph = onnx.load(plain)
        # shapes that torch wrote down, which the quantiser would rather infer itself
        del graph.graph.value_info[:]
        with _quiet():
            quantize_dynamic(graph, out, weight_type=QuantType.QInt8)
        plain.unlink()
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    wanted = {entry.name for entry in session.get_inputs()}

    def run(tensors: list[Tensor]) -> Tensor:
        feed = {
            name: tensor.numpy()
            for name, tensor in zip(whole.inputs, tensors, strict=True)
            if name in wanted
        }
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
