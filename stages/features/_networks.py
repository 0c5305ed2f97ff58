"""A model of the ``transformers`` library as a function from decoded parts to vectors: which of its
encoders reads a modality, how wide its states are, and how they become one vector, or stay many.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ...schemas.errors import DamageError, InputError

if TYPE_CHECKING:
    import torch

Sense: TypeAlias = Literal["text", "image", "video", "audio"]
Pool: TypeAlias = Literal["mean", "cls", "projection", "none"]
Encoded: TypeAlias = "Mapping[str, torch.Tensor]"

# frames of films are pictures to the models here
_WORD = {"text": "text", "image": "image", "video": "image", "audio": "audio"}
_TOWER = {"text": "text", "image": "vision", "audio": "audio"}
# positions begin behind that of the padding (fairseq's way)
_OFFSET_POSITIONS = ("roberta", "camembert", "mpnet", "longformer", "clap_text")
_NO_LIMIT = 1_000_000  # tokens; tokenisers that know none say 1e30
_CLASS_TOKENS = ("cls_token", "class_embedding", "class_token")


@dataclass(frozen=True, kw_only=True)
class NetworkCard:
    """What the files of a model say of it without its weights.

    name: folder or hub name. of: the modality. config, tower: of the model, and of its encoder of
        this modality; the same where it has only one. processor: what makes its inputs.
    """

    name: str
    of: Sense
    # Any, here and below: the classes that transformers chooses have no common type
    config: Any
    tower: Any
    processor: Any

    @property
    def has_towers(self) -> bool:
        """Whether the model holds encoders of several modalities."""
        return self.tower is not self.config

    @property
    def rate_hz(self) -> int | None:
        """The rate of the sounds that it hears; None for other modalities."""
        rate_hz = getattr(self.processor, "sampling_rate", None)
        return int(rate_hz) if rate_hz else None

    def width(self, pool: Pool, layer: int | None) -> int:
        """Length of its vectors; ValueError for what it cannot give."""
        if pool == "projection":
            return self._projected(layer)
        # of networks that are no transformers, a width for each stage
        sizes = getattr(self.tower, "hidden_sizes", None)
        width = getattr(self.tower, "hidden_size", None) or (sizes[-1] if sizes else None)
        if not isinstance(width, int):
            raise ValueError(
                f"model: {self.name} is no encoder of {self.of} (its configuration has no"
                " hidden_size); wanted one like BERT, ViT or Wav2Vec2, or CLIP, SigLIP or CLAP"
            )
        if layer is not None:
            self._check_layer(layer, bool(sizes))
        if pool == "cls" and self.of == "text" and self.processor.cls_token_id is None:
            raise ValueError(f"pool: {self.name} puts no class token before its texts; wanted mean")
        if pool == "cls" and self.of == "audio":
            raise ValueError(f"pool: a sound has no class token in {self.name}; wanted mean")
        return width

    def text_limit(self) -> int | None:
        """How many tokens of a text it takes; None where that is not bounded."""
        limits = [int(min(self.processor.model_max_length, _NO_LIMIT))]
        positions = getattr(self.tower, "max_position_embeddings", None)
        if isinstance(positions, int) and positions > 0:
            offset = any(word in self.tower.model_type for word in _OFFSET_POSITIONS)
            limits.append(positions - (self.tower.pad_token_id + 1 if offset else 0))
        return min(limits) if min(limits) < _NO_LIMIT else None

    def sound_limit(self) -> int | None:
        """How many samples of a sound it takes; None where that is not bounded."""
        for name in ("nb_max_samples", "n_samples"):
            if isinstance(getattr(self.processor, name, None), int):
                return int(getattr(self.processor, name))
        frames = getattr(self.processor, "max_length", None)
        is_spectrum = hasattr(self.processor, "num_mel_bins")
        # a frame of 25 ms every 10 ms (Kaldi)
        return frames * (self.rate_hz or 0) // 100 if is_spectrum and frames else None

    def _projected(self, layer: int | None) -> int:
        if not self.has_towers:
            raise ValueError(
                f"pool: {self.name} has no projection: it is one encoder and no pair like CLIP,"
                " SigLIP or CLAP; wanted mean or cls"
            )
        if layer is not None:
            raise ValueError("layer: a projection is of the model's output; leave the layer out")
        shared = getattr(self.config, "projection_dim", None)
        own = getattr(self.tower, "projection_size", None)  # SigLIP's texts
        return int(shared or own or self.tower.hidden_size)

    def _check_layer(self, layer: int, in_stages: bool) -> None:
        if in_stages:
            raise ValueError(
                f"layer: the layers of {self.name} are of several widths; leave it out"
            )
        count = getattr(self.tower, "num_hidden_layers", None)
        if isinstance(count, int) and not -(count + 1) <= layer <= count:
            raise ValueError(
                f"layer: {self.name} has {count} layers, wanted -{count + 1} to {count}, found"
                f" {layer}"
            )


@functools.lru_cache(maxsize=8)
def network_card(name: str, of: Sense, revision: str | None) -> NetworkCard:
    """What is known of a model without its weights; ValueError where it cannot be loaded, or reads
    another modality.
    """
    import transformers

    kinds: dict[str, Any] = {
        "text": transformers.AutoTokenizer,
        "image": transformers.AutoImageProcessor,
        "audio": transformers.AutoFeatureExtractor,
    }
    options = {"revision": revision, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(name, **options)
    except (OSError, ValueError) as error:
        raise ValueError(f"model: {name} cannot be loaded: {first_line(error)}") from None
    word = _WORD[of]
    towers = [kind for kind, tower in _TOWER.items() if hasattr(config, f"{tower}_config")]
    if len(towers) > 1 and word not in towers:
        raise ValueError(f"of: {name} is of {' and '.join(towers)}, found {of}")
    tower = getattr(config, f"{_TOWER[word]}_config") if len(towers) > 1 else config
    try:
        processor = kinds[word].from_pretrained(name, **options)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"model: {name} cannot be loaded with what makes {word} its input: {first_line(error)}"
        ) from None
    return NetworkCard(name=name, of=of, config=config, tower=tower, processor=processor)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A loaded model, and how its states become a vector (``none``: they do not)."""

    card: NetworkCard
    model: Any
    pool: Pool
    layer: int | None
    device: str

    def encoded(self, data: str | np.ndarray) -> Encoded:
        """The inputs of one text, RGB picture ``[H, W, 3]`` or sound ``[T]``, each with a batch of
        one.
        """
        processor = self.card.processor
        if isinstance(data, str):
            limit = self.card.text_limit()
            # SigLIP was trained on texts filled up to the end, without a mask
            is_filled = self.card.tower.model_type.startswith("siglip")
            return dict(
                processor(
                    [data],
                    return_tensors="pt",
                    truncation=limit is not None,
                    max_length=limit,
                    padding="max_length" if is_filled else False,
                )
            )
        if self.card.of != "audio":
            return dict(
                processor(images=data, return_tensors="pt", input_data_format="channels_last")
            )
        # CLAP would take ten seconds of a longer sound by lot
        heard = data[: self.card.sound_limit()]
        return dict(processor(heard, sampling_rate=self.card.rate_hz, return_tensors="pt"))

    def is_cut(self, data: str | np.ndarray) -> bool:
        """Whether a text or sound is longer than the model takes."""
        limit = self.card.text_limit() if isinstance(data, str) else self.card.sound_limit()
        if limit is None:
            return False
        if isinstance(data, str):
            return len(self.card.processor(data, verbose=False)["input_ids"]) > limit
        return len(data) > limit

    def vectors(self, encoded: Sequence[Encoded], batch_size: int) -> list[np.ndarray]:
        """The vectors ``float32 [D]`` of inputs, of which those of one shape go together; all
        states ``[T, D]`` of each where none is pooled.
        """
        import torch

        alike: dict[object, list[int]] = defaultdict(list)
        for place, one in enumerate(encoded):
            shape = tuple((name, tuple(value.shape)) for name, value in sorted(one.items()))
            alike[shape].append(place)
        found: dict[int, np.ndarray] = {}
        for places in alike.values():
            for start in range(0, len(places), batch_size):
                chunk = places[start : start + batch_size]
                batch = {
                    name: torch.cat([encoded[place][name] for place in chunk])
                    for name in encoded[chunk[0]]
                }
                found |= zip(chunk, self._pooled(batch), strict=True)
        return [found[place] for place in range(len(encoded))]

    def _pooled(self, batch: Encoded) -> list[np.ndarray]:
        """The vector of each row of a batch, or its states."""
        import torch

        inputs = {
            name: value.to(self.device, self.model.dtype if value.is_floating_point() else None)
            for name, value in batch.items()
        }
        with torch.no_grad():
            states = self._projected(inputs) if self.pool == "projection" else self._states(inputs)
        if self.pool == "projection":
            return [row.float().cpu().numpy() for row in states]
        if states.ndim == 4:  # a map of places [B, C, H, W]
            states = states.flatten(2).transpose(1, 2)
        if self.pool == "cls":
            return [row[0].float().cpu().numpy() for row in states]
        mask = inputs.get("attention_mask") if self.card.of == "text" else None
        rows = (
            row if mask is None else row[mask[place].bool()] for place, row in enumerate(states)
        )
        if self.pool == "none":
            return [row.float().cpu().numpy() for row in rows]
        return [row.mean(0).float().cpu().numpy() for row in rows]

    def _states(self, inputs: Encoded) -> torch.Tensor:
        """The hidden states ``[B, T, D]``, or ``[B, D, H, W]``."""
        encoder = self.model
        if self.card.has_towers:
            encoder = getattr(self.model, f"{_TOWER[_WORD[self.card.of]]}_model")
        elif self.card.config.is_encoder_decoder:
            encoder = self.model.get_encoder()
        if self.layer is None:
            states: torch.Tensor = encoder(**inputs).last_hidden_state
        else:
            states = encoder(**inputs, output_hidden_states=True).hidden_states[self.layer]
        return states

    def _projected(self, inputs: Encoded) -> torch.Tensor:
        """Places in the common space ``[B, D]``."""
        project = getattr(self.model, f"get_{_WORD[self.card.of]}_features")
        found = project(**inputs)
        # a tensor until version 4 of transformers
        vectors: torch.Tensor = getattr(found, "pooler_output", found)
        return vectors


@functools.lru_cache(maxsize=4)
def load_network(
    name: str,
    of: Sense,
    pool: Pool,
    layer: int | None,
    device: str,
    dtype: str,
    revision: str | None,
) -> Network:
    """A model with its weights; ValueError or OSError, with its name, where it cannot be had."""
    import torch
    import transformers

    card = network_card(name, of, revision)
    try:
        model = transformers.AutoModel.from_pretrained(
            name, revision=revision, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise ValueError(f"{name} cannot be loaded: {first_line(error)}") from None
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = model.eval().to(device, getattr(torch, dtype))
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device: {name} cannot go to {device}: {first_line(error)}") from None
    if pool == "cls" and _WORD[of] == "image":
        names = [own for own, _ in model.named_parameters()]
        if not any(own.endswith(_CLASS_TOKENS) for own in names):
            raise ValueError(f"pool: {name} has no class token; wanted mean")
    return Network(card=card, model=model, pool=pool, layer=layer, device=device)


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """DamageError for what a network cannot take: a sound that is too short, for example;
    InputError where the device has no memory left.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"features.transformers: {name}: the device has no memory left; give a smaller"
            f" batch_size or fewer --workers ({first_line(error)})"
        ) from None
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise DamageError(
            "network_refuses", f"{name} cannot take it: {first_line(error)}"
        ) from None


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
