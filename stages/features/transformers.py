"""Texts, images, frames and sound by a model of the ``transformers`` library, from a folder or its
hub, as one vector or one after the other: the extra ``hf``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ...schemas.errors import InputError, MissingPackageError
from ..base import Extractor
from ._networks import Network, Pool, Sense, load_network, network_card, refusals
from ._sequences import LONGEST, check_longest

_ACCELERATORS = ("/dev/nvidiactl", "/dev/kfd")  # of NVIDIA's driver and of AMD's


@dataclass(frozen=True, kw_only=True)
class Transformers(Extractor):
    """What an encoder says of a text, a picture, the frames of a film or a sound: the mean of its
    hidden states, the state of its first token, or its place in the space that two encoders share;
    or all of its hidden states.

    model: a folder, whose contents decide what a cache holds, or a hub name: an encoder of one
        modality (BERT, ViT, Wav2Vec2, Whisper, ...) or two in one (CLIP, SigLIP, CLAP), its weights
        as safetensors.
    of: the modality. frames: of a film, evenly spaced ones that are looked at; its vector is the
        mean of theirs.
    pool: ``mean`` of the states of all tokens, places or moments, of a text under its tokeniser's
        mask; ``cls``, the state of a class token, where the model has one; ``projection``, the
        vector in the common space of two encoders, as ``get_text_features`` and its like give it.
        ``none`` gives a sequence: the states of all tokens that ``mean`` would average, in their
        order, those that a tokeniser adds too; of a film a vector for each frame.
    longest: how many vectors of a sequence are kept, from its beginning on. The model has seen the
        whole all the same.
    each_frame: how a frame becomes its vector in the sequence of a film.
    layer: which of the hidden states is pooled, 0 for the embeddings and -1 for the last layer
        before the norm that some models end with; the model's output where it is not given.
    rate_hz: sound is resampled to it first; the model's own where it is not given.
    batch_size: how many parts go through the model at once, of those that are of one length:
        nothing is padded, and no vector depends on its neighbours beyond the last digits.
    device: ``auto`` is an accelerator where torch sees one, or torch's own word (``cpu``,
        ``cuda``). Each worker holds a model of its own.
    dtype: of weights and states; float16 and bfloat16 are for accelerators. A cache holds sequences
        in float32 if that is it, and in float16 if not; vectors always in float16.
    revision: commit of the hub's repository, part of the cache's fingerprint; give it, so that the
        same name means the same weights.

    Texts and sounds that are longer than the model takes are cut at their end, and counted.
    """

    modality: ClassVar[str] = "text"
    later: ClassVar[frozenset[str]] = frozenset(
        {"pool", "longest", "each_frame", "layer", "frames", "dtype"}
    )
    aside: ClassVar[frozenset[str]] = frozenset({"batch_size", "device"})
    told: ClassVar[tuple[str, ...]] = ("parts", "cut")

    model: str
    of: Sense = "text"
    pool: Literal["mean", "cls", "projection", "none"] = "mean"
    longest: int = LONGEST
    each_frame: Literal["mean", "cls", "projection"] = "mean"
    layer: int | None = None
    rate_hz: int | None = None
    frames: int = 8
    batch_size: int = 1
    device: str = "auto"
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    revision: str | None = None

    def __post_init__(self) -> None:
        if importlib.util.find_spec("transformers") is None:
            raise MissingPackageError("transformers", "hf", "features.transformers")
        object.__setattr__(self, "modality", self.of)
        for name in ("frames", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: wanted at least 1, found {getattr(self, name)}")
        check_longest(self.longest, self.pool == "none")
        if self.each_frame != "mean" and (self.pool, self.of) != ("none", "video"):
            raise ValueError(
                "each_frame: is of the sequence of a film (of: video, pool: none), found"
                f" of: {self.of}, pool: {self.pool}"
            )
        card = network_card(self.model, self.of, self.revision)
        object.__setattr__(self, "rate_hz", self._rate(card.rate_hz))
        self.dims()

    def _rate(self, own_hz: int | None) -> int:
        if self.of == "audio" and self.rate_hz is not None and self.rate_hz != (own_hz or 0):
            raise ValueError(
                f"rate_hz: {self.model} hears sounds of {own_hz} Hz, found {self.rate_hz}; leave it"
                " out"
            )
        # 16,000 is what caches of texts and images have always said
        return own_hz or 16_000 if self.of == "audio" else self.rate_hz or 16_000

    def files(self) -> list[Path]:
        folder = Path(self.model)  # or a name of the hub
        return (
            sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
        )

    @property
    def batch(self) -> int:
        return self.batch_size

    def maps_much(self) -> bool:
        return self.device != "cpu" and any(Path(name).exists() for name in _ACCELERATORS)

    def dims(self) -> int:
        return network_card(self.model, self.of, self.revision).width(self._own_pool, self.layer)

    def sequence_limit(self) -> int | None:
        return self.longest if self.pool == "none" else None

    def kept_type(self) -> np.dtype[np.floating[Any]]:
        is_half = self.pool != "none" or self.dtype != "float32"
        return np.dtype(np.float16 if is_half else np.float32)

    @property
    def _own_pool(self) -> Pool:
        """What becomes of the states of one text, picture, frame or sound."""
        is_film = self.pool == "none" and self.of == "video"
        return self.each_frame if is_film else self.pool

    def extract(self, data: str | np.ndarray) -> np.ndarray:
        return self.extract_all([data])[0]

    def extract_all(self, data: Sequence[Any]) -> list[np.ndarray]:
        network = self._network()
        pieces = [list(one) if self.of == "video" else [one] for one in data]
        with refusals(self.model):
            encoded = [network.encoded(each) for piece in pieces for each in piece]
            vectors = network.vectors(encoded, max(self.batch_size, self.frames))
        if self.of != "video":
            return vectors
        ends = np.cumsum([len(piece) for piece in pieces])
        films = np.split(np.stack(vectors), ends[:-1])
        return films if self.pool == "none" else [_mean(own) for own in films]

    def tell(self, data: str | np.ndarray) -> tuple[int, int]:
        return (1, int(self.of in ("text", "audio") and self._network().is_cut(data)))

    def remark(self, counts: Mapping[str, int]) -> str:
        cut, parts = counts["cut"], counts["parts"]
        return (
            f"{cut:,} of {parts:,} are longer than {self.model} takes, and were cut" if cut else ""
        )

    def _network(self) -> Network:
        try:
            return load_network(
                self.model,
                self.of,
                self._own_pool,
                self.layer,
                self.device,
                self.dtype,
                self.revision,
            )
        except (OSError, ValueError) as error:
            raise InputError(f"features.transformers: {error}") from None


def _mean(vectors_ND: np.ndarray) -> np.ndarray:
    """The mean of some vectors ``[N, D]``; of one, that one, digit for digit."""
    return np.asarray(vectors_ND[0] if len(vectors_ND) == 1 else vectors_ND.mean(0))
