"""Classes of a target come equally often, and nothing else of the order changes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from modalmill.schemas.errors import InputError
from modalmill.stages import stream
from tiny import csv_source, png, write

from .conftest import make

COUNTS = {"common": 120, "rare": 12, "single": 1}


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of very different sizes, and seven records of none."""
    root = tmp_path_factory.mktemp("classes")
    words = [word for word, count in COUNTS.items() for _ in range(count)] + [""] * 7
    lines = ["id,text,label", *(f"{n},t{n},{word}" for n, word in enumerate(words))]
    write(root / "t.csv", "\n".join(lines) + "\n")
    return make(root, {"t": csv_source("text", targets=["label"])})


def test_each_class_has_its_share_and_each_record_of_a_class_too(
    classes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    batches = stream.open(classes, balance="label", batch_size=7, drop_last=False)
    assert "balance: 7 records have no 'label' and are left out" in caplog.text
    assert batches.records == 133
    given: list[tuple[str, str]] = []
    for _ in range(60):
        for batch in batches:
            given += [
                (key, own["label"])
                for key, own in zip(batch.keys, batch.targets(), strict=True)
                if key
            ]
    assert len(given) == 60 * 133
    for stretches in (1, 7):
        some = given[: 1024 * stretches]
        by_class, by_record = Counter(word for _, word in some), Counter(some)
        assert len(by_record) == 133
        for word, count in COUNTS.items():
            assert abs(by_class[word] - len(some) / 3) < 2
            times = [own for (_, label), own in by_record.items() if label == word]
            # as often as any other of its class, but for the pass that is not whole
            assert len(times) == count
            assert max(times) - min(times) <= 1


def test_it_goes_on_where_it_stood(classes: Path) -> None:
    options: dict[str, Any] = {"balance": "label", "batch_size": 8, "seed": 5}
    whole = [batch.keys for batch in stream.open(classes, **options)]
    first = stream.open(classes, **options)
    for _, batch in zip(range(5), first, strict=False):
        state = first.state_after(batch)
    second = stream.open(classes, **options, workers=0)
    second.load_state_dict(state)
    assert [batch.keys for batch in second] == whole[5:]
    plain = stream.open(classes, batch_size=8, seed=5)
    with pytest.raises(InputError):
        plain.load_state_dict(state)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"balance": "lable"}, "no target 'lable'; did you mean 'label'"),
        ({"balance": "label", "buckets": {"text": [2]}}, "balance: cannot be together"),
        ({"balance": "label", "weights": [1]}, "balance: cannot be together"),
        ({"balance": 3}, "balance: wanted a target"),
    ],
)
def test_what_cannot_be_meant_is_told(classes: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        stream.open(classes, **options)


def test_a_list_has_no_class(tmp_path: Path) -> None:
    write(tmp_path / "t.jsonl", '{"id": "1", "text": "a", "tags": ["x", "y"]}\n')
    source = {"type": "jsonl", "path": "t.jsonl", "id": "{id}", "text": "text", "targets": ["tags"]}
    with pytest.raises(InputError, match="tags: wanted one class for each record, found"):
        stream.open(make(tmp_path, {"t": source}), balance="tags")


def test_an_epoch_of_few_records_is_not_dropped_as_a_batch_that_is_not_full(tmp_path: Path) -> None:
    lines = ["id,text,label", *(f"{n},t{n},{'ab'[n % 2] if n < 10 else ''}" for n in range(100))]
    write(tmp_path / "t.csv", "\n".join(lines) + "\n")
    shards = make(tmp_path, {"t": csv_source("text", targets=["label"])})
    batches = stream.open(shards, balance="label", batch_size=64)
    assert [sum(batch.weight_B).item() for batch in batches] == [10]
    assert len(stream.open([shards, shards], weights=[1, 0], batch_size=128)) == 1
    with pytest.raises(InputError, match="of 2 records none has 'label'"):
        stream.open(shards, balance="label", where="key in ['t-50', 't-51']")


def test_what_takes_the_place_of_damage_is_of_its_class(tmp_path: Path) -> None:
    lines = ["id,label"]
    for number in range(40):
        label = "rare" if number < 6 else "often" if number < 30 else ""
        write(tmp_path / f"{number}.png", png(16, 16, seed=number))
        lines.append(f"{number},{label}")
    write(tmp_path / "t.csv", "\n".join(lines) + "\n")
    source = {**csv_source("label", targets=["label"]), "media": {"image": {"path": "{id}.png"}}}
    shards = make(tmp_path, {"t": source})
    for path in shards.glob("*.tar"):
        data = path.read_bytes()
        for number in range(1, 4):  # half of the rare ones
            picture = (tmp_path / f"{number}.png").read_bytes()
            assert picture in data
            data = data.replace(picture, picture[:40] + bytes(len(picture) - 40))
        path.write_bytes(data)
    words: dict[Any, Counter[str]] = {"absent": Counter(), "replace": Counter()}
    for on_damage, found in words.items():
        batches = stream.open(
            shards,
            balance="label",
            on_damage=on_damage,
            verify="never",
            damage_budget=10**6,
            parts={"image": stream.ImageSpec(size=16)},
            batch_size=10,
        )
        for _ in range(20):
            for batch in batches:
                assert batch.weight_B.all()
                found.update(own["label"] for own in batch.targets())
    # what is damaged keeps its place where it counts as absent
    assert words["replace"] == words["absent"]
