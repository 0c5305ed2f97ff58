"""Texts, images and sound by a model of the ``transformers`` library, from a folder or its hub: the
extra ``hf``.
"""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ...schemas.errors import DamageError, InputError, MissingPackageError
from ..base import Extractor


@dataclass(frozen=True, kw_only=True)
class Transformers(Extractor):
    """The mean of an encoder's last hidden states, of a text under its tokeniser's mask.

    model: a folder, whose contents decide what a cache holds, or a hub name, of an encoder of one
        modality (BERT, ViT, Wav2Vec2, ...), its weights as safetensors.
    of: the modality. rate_hz: sound is resampled to it first; it must be the model's.
    revision: commit of the hub's repository, part of the cache's fingerprint; give it, so that the
        same name means the same weights.
    """

    modality: ClassVar[str] = "text"

    model: str
    of: Literal["text", "image", "audio"] = "text"
    rate_hz: int = 16_000
    revision: str | None = None

    def __post_init__(self) -> None:
        if importlib.util.find_spec("transformers") is None:
            raise MissingPackageError("transformers", "hf", "features.transformers")
        object.__setattr__(self, "modality", self.of)
        self.dims()

    def files(self) -> list[Path]:
        folder = Path(self.model)  # or a name of the hub
        return (
            sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
        )

    def dims(self) -> int:
        return _width(self.model, self.revision)

    def extract(self, data: str | np.ndarray) -> np.ndarray:
        import torch

        processor, model = _load(self.model, self.of, self.revision)
        try:
            if self.of == "text":
                inputs = processor(data, return_tensors="pt", truncation=True)
            elif self.of == "image":
                inputs = processor(images=data, return_tensors="pt")
            else:
                inputs = processor(data, sampling_rate=self.rate_hz, return_tensors="pt")
            with torch.no_grad():
                hidden = model(**inputs).last_hidden_state[0]
        except (RuntimeError, ValueError) as error:  # a sound that is too short, for example
            raise DamageError(
                "network_refuses", f"{self.model} cannot take it: {_first_line(error)}"
            ) from None
        real = (
            inputs["attention_mask"][0].bool()
            if self.of == "text"
            else torch.ones(len(hidden), dtype=torch.bool)
        )
        return np.asarray(hidden[real].mean(0).float().numpy())


@functools.lru_cache(maxsize=8)
def _width(name: str, revision: str | None) -> int:
    """Length of a model's hidden states, from its configuration alone."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"model: {name} cannot be loaded: {_first_line(error)}") from None
    width = getattr(config, "hidden_size", None)
    if not isinstance(width, int):
        raise ValueError(
            f"model: {name} is no encoder of one modality (its configuration has no hidden_size);"
            " wanted one like BERT, ViT or Wav2Vec2"
        )
    return width


@functools.lru_cache(maxsize=4)
# Any: the classes that transformers chooses have no common type
def _load(name: str, of: str, revision: str | None) -> tuple[Any, Any]:
    import transformers

    kinds: dict[str, Any] = {
        "text": transformers.AutoTokenizer,
        "image": transformers.AutoImageProcessor,
        "audio": transformers.AutoFeatureExtractor,
    }
    try:
        processor = kinds[of].from_pretrained(name, revision=revision, trust_remote_code=False)
        model = transformers.AutoModel.from_pretrained(
            name, revision=revision, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"features.transformers: {name} cannot be loaded: {_first_line(error)}"
        ) from None
    return processor, model.eval()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
