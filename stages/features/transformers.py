"""Texts and images by a model of the ``transformers`` library, local or from its hub: the extra ``hf``."""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...schemas.errors import InputError, MissingPackageError
from ...schemas.record import Modality
from ..base import Extractor


@dataclass(frozen=True, kw_only=True)
class Transformers(Extractor):
    """The mean of the last hidden states of a model, under the tokeniser's mask.

    model: a folder or a hub name. of: ``text`` or ``image``. width: length of the model's hidden states.
    revision: commit of the hub's repository, part of the cache's fingerprint; give it, so that the same name means the same weights.
    """

    modality: ClassVar[Modality] = "text"

    model: str
    width: int
    of: str = "text"
    revision: str | None = None

    def __post_init__(self) -> None:
        if importlib.util.find_spec("transformers") is None:
            raise MissingPackageError("transformers", "hf", "features.transformers")
        if self.of not in ("text", "image"):
            raise ValueError(f"of: wanted text or image, found {self.of!r}")
        object.__setattr__(self, "modality", self.of)

    def dims(self) -> int:
        return self.width

    def extract(self, data: Any) -> np.ndarray:
        import torch

        processor, model = _load(self.model, self.of, self.revision)
        inputs = processor(data, return_tensors="pt", truncation=True) if self.of == "text" else processor(images=data, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**inputs).last_hidden_state[0]
        mask = inputs["attention_mask"][0].bool() if "attention_mask" in inputs else torch.ones(len(hidden), dtype=torch.bool)
        vector = hidden[mask].mean(0).float().numpy()
        if len(vector) != self.width:
            raise InputError(f"features.transformers: {self.model} gives vectors of {len(vector)}, the recipe says width: {self.width}")
        return np.asarray(vector)


@functools.lru_cache(maxsize=2)
def _load(name: str, of: str, revision: str | None) -> tuple[Any, Any]:
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    try:
        kind = AutoTokenizer if of == "text" else AutoImageProcessor
        processor = kind.from_pretrained(name, revision=revision, trust_remote_code=False)
        model = AutoModel.from_pretrained(name, revision=revision, trust_remote_code=False, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise InputError(f"features.transformers: the model {name} cannot be loaded: {str(error).splitlines()[0]}") from error
    return processor, model.eval()
