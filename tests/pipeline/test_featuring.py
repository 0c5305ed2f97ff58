"""Features that no record has."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from modalmill.pipeline.featuring import FeatureTask
from modalmill.pipeline.run import Result
from modalmill.schemas.disk import read_note
from modalmill.schemas.errors import DamageError, InputError
from modalmill.schemas.features import read_feature_counts, read_vectors
from modalmill.schemas.record import Part
from modalmill.stages.base import Extractor, checked
from tiny import recipe, tone, write


def test_features_that_no_record_has_are_an_error(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    soundfile.write(tmp_path / "x.wav", tone() * np.float32(1e30), 8000, subtype="FLOAT")
    write(tmp_path / "a" / "x.wav", (tmp_path / "x.wav").read_bytes())
    source = {"type": "audio_folder", "path": "a", "id": "{stem}"}
    with pytest.raises(
        InputError,
        match=r"features: none of 1 records has a vector of audio by features.audio; the first: ",
    ):
        run_recipe(
            recipe(tmp_path, {"s": source}, features={"audio": "features.audio"}, shard=None)
        )


@dataclass(frozen=True, kw_only=True)
class Batched(Extractor):
    """The length of a text, of several at once; the word ``bad`` is refused."""

    modality: ClassVar[str] = "text"

    batch_size: int = 3

    @property
    def batch(self) -> int:
        return self.batch_size

    def dims(self) -> int:
        return 1

    def extract(self, data: str) -> np.ndarray:
        if data == "bad":
            raise DamageError("refused", "bad is refused")
        return np.array([len(data)], np.float32)


@given(st.lists(st.sampled_from(["a", "bb", "ccc", "bad"]), max_size=9), st.integers(1, 4))
def test_in_a_batch_a_part_that_is_refused_costs_itself_alone(texts: list[str], size: int) -> None:
    parts = tuple((f"{place}", Part("text", text=text)) for place, text in enumerate(texts))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.arrow"
        FeatureTask(Path(folder), Batched(batch_size=size), parts, path).run(lambda item: None, {})
        found, faults = read_vectors(path), read_note(path)["faults"]
    wanted = {f"{place}": len(text) for place, text in enumerate(texts) if text != "bad"}
    assert {content: vector.item() for content, vector in found.items()} == wanted
    assert faults.keys() == {f"{place}" for place, text in enumerate(texts) if text == "bad"}


def test_a_batch_that_brought_the_worker_down_is_taken_apart(tmp_path: Path) -> None:
    parts = tuple((text, Part("text", text=text)) for text in ("a", "bb"))
    beats: list[str] = []
    task = FeatureTask(tmp_path, Batched(), parts, tmp_path / "x.arrow")
    task.run(beats.append, {})
    assert beats == ["text:a", "text:bb", "2 parts from text:a on"]
    beats.clear()
    task.run(beats.append, {"2 parts from text:a on": "decoder_crashed"})
    assert beats[-2:] == ["text:a", "text:bb"]
    assert read_vectors(tmp_path / "x.arrow").keys() == {"a", "bb"}


@dataclass(frozen=True, kw_only=True)
class Letters(Extractor):
    """The code of each letter of a text, in order; a text in capitals in another shape."""

    modality: ClassVar[str] = "text"
    told: ClassVar[tuple[str, ...]] = ("vowels",)

    def dims(self) -> int:
        return 1

    def sequence_limit(self) -> int | None:
        return 4

    def extract(self, data: str) -> np.ndarray:
        codes = np.array([ord(letter) for letter in data], np.float32)
        return codes if data.isupper() else codes[:, None]

    def tell(self, data: str) -> tuple[int]:
        return (sum(letter in "aeiou" for letter in data),)


@given(st.lists(st.text("abcde", min_size=1, max_size=7), unique=True, max_size=9))
def test_sequences_of_a_task_are_cut_and_what_was_cut_is_counted_beside_the_rest(
    texts: list[str],
) -> None:
    parts = tuple((text, Part("text", text=text)) for text in texts)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.arrow"
        FeatureTask(Path(folder), Letters(), parts, path).run(lambda item: None, {})
        found, counts = read_vectors(path), read_feature_counts(path)
    assert {text: own.ravel().tolist() for text, own in found.items()} == {
        text: [ord(letter) for letter in text[:4]] for text in texts
    }
    assert counts == {
        text: [text.count("a") + text.count("e"), int(len(text) > 4)] for text in texts
    }


def test_what_is_no_sequence_is_the_extractors_fault_and_an_empty_one_the_parts() -> None:
    told = "wanted vectors in order, each of 1 numbers, found the shape [3]"
    with pytest.raises(InputError, match=re.escape(told)):
        checked(Letters(), Letters().extract("ABC"), "a text")
    with pytest.raises(DamageError, match="features by .* of a text: a sequence of no vector"):
        checked(Letters(), Letters().extract(""), "a text")
