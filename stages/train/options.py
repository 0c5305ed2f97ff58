"""What a recipe's ``train`` section may say; checked without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...schemas.contents import Contents
from ...schemas.errors import nearest
from ...schemas.record import Modality
from .methods import FUSIONS, mistakes

ENCODERS: dict[str, Modality | Literal["feature"]] = {
    "cnn": "image",
    "resnet18": "image",
    "lstm": "text",
    "logmel_cnn": "audio",
    "frames_cnn": "video",
    "mlp": "feature",
}


class InputOptions(BaseModel):
    """How one part goes into the model. Sizes in pixels, words, hertz, seconds and frames."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: str | None = Field(None, description="cnn, resnet18, lstm, logmel_cnn, frames_cnn or mlp; by the modality where it is not given")
    feature: bool = Field(False, description="read the cached features of this part instead of the medium")
    size: int = Field(64, ge=16, le=1024)
    crop: Literal["random", "center", "squash"] = "squash"
    length: int = Field(24, ge=1, le=4096, description="words of a text")
    vocabulary: int = Field(10_000, ge=1)
    rate_hz: int = Field(16_000, ge=1000)
    seconds: float = Field(4.0, gt=0)
    frames: int = Field(8, ge=1, le=256)


class TrainOptions(BaseModel):
    """One training run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["classification", "vqa", "regression"] = "classification"
    target: str = Field(description="name of the target; for vqa the list of the annotators' answers")
    inputs: dict[str, InputOptions] = Field(min_length=1)
    fusion: str | dict[str, dict[str, Any]] = Field("attention", description="a word that 'modalmill methods' lists, or {word: {option: value}}")
    width: int = Field(128, ge=8, description="width of the common space")
    hidden: int = Field(256, ge=8)
    answers: int = Field(1000, ge=1, description="at most so many classes, the commonest of the training split")
    epochs: int = Field(20, ge=1)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    dropout: float = Field(0.2, ge=0, lt=1)
    modality_dropout: float = Field(0.3, ge=0, lt=1, description="share of present parts hidden in training; never all of a record")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    patience: int = Field(0, ge=0, description="stop after so many epochs without a better validation; 0 never")
    train_split: str = "train"
    val_split: str = "val"
    device: str = Field("auto", description="auto takes a GPU when there is one")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field("auto", description="auto is bf16 on a GPU that has it, fp32 elsewhere")
    threads: int | None = Field(None, ge=0, description="decoding threads")

    def mistakes(self, here: Contents) -> list[str]:
        """What the options ask for that records cannot hold, one line each."""
        lines = here.lacking_targets("train.target", [self.target])
        kind, wanted = here.targets.get(self.target), _KINDS.get(self.task)
        if kind is not None and wanted is not None and kind != wanted[0]:
            lines.append(f"train.target: {self.task} wants {wanted[1]}, and {self.target!r} is a {kind}")
        for name, spec in self.inputs.items():
            reads = ENCODERS[spec.encoder] if spec.encoder else "feature"
            lines += here.lacking_parts(f"train.inputs.{name}", [name], None if reads == "feature" else reads)
        lines += here.lacking_split("train.train_split", self.train_split)
        return lines + (here.lacking_split("train.val_split", self.val_split) if "val_split" in self.model_fields_set else [])


_KINDS = {"regression": ("number", "a target read by 'numbers'"), "vqa": ("list", "the list of the annotators' answers")}


def parse_options(value: Mapping[str, Any]) -> tuple[TrainOptions | None, list[str]]:
    """The options, or every mistake in them as one line each."""
    if not isinstance(value, Mapping):
        return None, [f"train: wanted options by name, found {value!r}"]
    problems: list[str] = []
    inputs = value.get("inputs")
    if isinstance(inputs, Mapping):
        value = {**value, "inputs": {name: {} if entry is None else entry for name, entry in inputs.items()}}
    try:
        options = TrainOptions.model_validate(value)
    except ValidationError as error:
        from ...schemas.recipe import explain

        for item, line in zip(error.errors(), explain(error, TrainOptions, prefix="train."), strict=True):
            inner = item["type"] == "extra_forbidden" and len(item["loc"]) > 1
            place = ".".join(str(step) for step in item["loc"])
            problems.append(f"train.{place}: unknown option{nearest(str(item['loc'][-1]), InputOptions.model_fields)}" if inner else line)
        return None, problems
    problems += mistakes("train.fusion", options.fusion, FUSIONS)
    for name, spec in options.inputs.items():
        if spec.encoder is not None and spec.encoder not in ENCODERS:
            problems.append(f"train.inputs.{name}.encoder: no such encoder {spec.encoder!r}{nearest(spec.encoder, ENCODERS)}")
    return (None if problems else options), problems
