"""The contract that every operator keeps, the house's own and those of users: each function gives
what is broken, a line each.

``modalmill check my_stages.py`` asks for it on records made by chance; the suite asks for it on
records that hypothesis chooses.
"""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..schemas.columns import narrowed
from ..schemas.json_value import JsonValue
from ..schemas.manifest import Row, rows_to_table
from ..schemas.record import Cue, Fault, Origin, Part, Record
from .base import (
    Addressed,
    CorpusStage,
    Extractor,
    RecordStage,
    Source,
    Stage,
    wrong_shape,
)
from .modality import (
    Modality,
    OnDisk,
    is_in_record,
    modality,
    names,
    on_disk,
    wrongly_declared,
)
from .signal import WHOLE, Signal, numbers_of, units_of
from .spec import Spec

SIGNALS = (
    "sharpness",
    "dark",
    "bright",
    "clipping",
    "silence",
    "quiet",
    "claim",
    "black",
    "frozen",
    "damaged",
    "missing",
    "gaps",
)
_SEED = 7
_WORDS = ("what", "colour", "is", "the", "left", "bus", "THE", "über", "猫", "", "a" * 300)


def broken_class(cls: type[Addressed]) -> list[str]:
    """How the class is written."""
    lines = []
    if not dataclasses.is_dataclass(cls) or not cls.__dataclass_params__.frozen:
        lines.append(
            "wanted a frozen dataclass: its fields are the options, and no instance changes"
        )
    if not (cls.__doc__ or "").strip() or (cls.__doc__ or "").startswith(f"{cls.__name__}("):
        lines.append(
            "wanted a docstring that says what it does and explains each option; 'modalmill"
            " stages' shows it"
        )
    return lines


def broken_stage(stage: Stage, records: Sequence[Record]) -> list[str]:
    """What a stage does to records that it must not do."""
    lines = _unpickled(stage)
    if isinstance(stage, RecordStage):
        lines += _broken_record_stage(stage, records)
    if isinstance(stage, CorpusStage):
        there, back = _decisions(stage, records), _decisions(stage, records[::-1])
        lines += (
            []
            if there == back
            else [
                "its decisions depend on the order of the records; they are to be functions of"
                " keys and values"
            ]
        )
    return lines


def _broken_record_stage(stage: RecordStage, records: Sequence[Record]) -> list[str]:
    lines = []
    before = pickle.dumps(records)
    there = {record.key: stage.process(record, _SEED, stage.address) for record in records}
    back = {record.key: stage.process(record, _SEED, stage.address) for record in reversed(records)}
    if pickle.dumps(records) != before:
        lines.append("it changed the record it was given; give a new one (dataclasses.replace)")
    for record in records:
        rows = there[record.key]
        where = f"record {record.key}"
        if not rows:
            lines.append(f"{where} vanished: neither written nor rejected")
        if any(row.fault is not None and not isinstance(row.fault, Fault) for row in rows):
            lines.append(
                f"{where}: fault() gives a Fault or None, found {type(rows[0].fault).__name__}"
            )
            continue
        if _seen(rows) != _seen(back[record.key]):
            lines.append(
                f"{where}: the result depends on the order of the records, or on something kept"
                " between them"
            )
        written = [row.record for row in rows if row.fault is None]
        if len({copy.key for copy in written}) < len(written):
            lines.append(f"{where}: two of the records made of it have one key")
        if any(copy.group != record.group for copy in written):
            lines.append(
                f"{where}: what was made of it left its group, and can land in another split"
            )
    return lines


def broken_source(source: Source) -> list[str]:
    """What a source does not say."""
    lines = []
    for name in ("paths", "contents", "read"):
        if getattr(type(source), name) is getattr(Source, name):
            lines.append(
                f"{name}(): is not written; every source says what it reads, what its records"
                " hold, and gives them"
            )
    return lines


def broken_extractor(extractor: Extractor, data: Iterable[object]) -> list[str]:
    """What an extractor gives that no cache can hold. ``data``: parts as its modality
    decodes them.
    """
    lines = _unpickled(extractor)
    if extractor.modality not in names():
        return [*lines, f"modality: there is none called {extractor.modality!r}"]
    for part in data:
        first, second = extractor.extract(part), extractor.extract(part)
        if misshapen := wrong_shape(extractor, first):
            lines.append(f"dims() = {extractor.extracted_dims()}: {misshapen}")
        elif not np.array_equal(first, second):
            lines.append("the same part gave two different vectors")
    return lines


def broken_modality(kind: Modality) -> list[str]:
    """What a modality lacks."""
    lines = (
        [] if (type(kind).__doc__ or "").strip() else ["wanted a docstring that says what it is"]
    )
    names()  # InputError where the house has one of this name
    if not isinstance(kind.spec(), Spec):
        lines.append(f"spec(): wanted a Spec, found {type(kind.spec()).__name__}")
    if isinstance(kind, OnDisk) and not kind.suffixes:
        lines.append(
            "suffixes: wanted the endings of its files, found none; files that no row names would"
            " not be listed"
        )
    if not kind.first_encoder:
        lines.append("first_encoder: a model can read it only where the recipe names an encoder")
    return lines


def some_records(count: int = 40, seed: int = _SEED) -> list[Record]:
    """Records by chance: any subset of the modalities, odd words, spans, cues, and the signals that
    measuring leaves.
    """
    random = np.random.default_rng(seed)
    return [_record(number, random) for number in range(count)]


def broken_signal(own: Signal) -> list[str]:
    """How a signal is declared, and what it makes of media and values by chance."""
    lines = wrongly_declared(own)
    if lines:
        return lines
    if not inspect.getdoc(own.function):
        lines.append("wanted a docstring of its function that says what it measures, and by whom")
    with tempfile.TemporaryDirectory() as folder:
        for numbers, failed in _numbers_by_chance(own, Path(folder)):
            lines += [f"fails: {why}" for why in failed.values()]
            for name, number in numbers.items():
                low, high = own.gives[name].low, own.gives[name].high
                if not low <= number <= high:
                    lines.append(f"gives {number:g} for {name}, which lies in [{low:g}, {high:g}]")
    return list(dict.fromkeys(lines))


def _numbers_by_chance(
    own: Signal, folder: Path
) -> Iterator[tuple[dict[str, float], dict[str, str]]]:
    """What a signal gives, and which functions fail, of each of some media or values."""
    failed: dict[str, str] = {}
    if is_in_record(own.of):
        for value in some_data(own.of):
            yield numbers_of(own.of, value, {own.name}, failed), failed
        return
    kind = on_disk(own.of)
    wanted = frozenset(unit.unit for unit in units_of(own.of, {own.name}))
    for number, data in enumerate(_files_by_chance(own.of)):
        (folder / str(number)).write_bytes(data)
        measured = kind.measured(folder, Part(own.of, uri=str(number)), wanted | {WHOLE})
        found = measured["found"]
        numbers = found.signals.get(own.name, {})
        tracks = {name: track for each in found.tracks.values() for name, track in each.items()}
        if own.tracks and not found.failed:
            part = Part(own.of, uri=str(number), duration_s=measured.get("duration_s"))
            numbers = numbers_of(own.of, kind.stretch(part, tracks), {own.name}, failed)
        yield numbers, {**failed, **found.failed}


def _files_by_chance(kind: str) -> list[bytes]:
    """Files that hold :func:`some_data`, for the modalities that the house can write."""
    from .media import audio, image, video

    # Any: as some_data has them
    writers: dict[str, Callable[[Any], bytes]] = {
        "image": lambda pixels: image.encode_jpeg(pixels, 95),
        "audio": lambda samples: audio.encode_flac(samples, 16_000),
        "video": lambda frames: video.encode_mjpeg(frames, np.arange(len(frames)) / 8, 1.0),
    }
    return [writers[kind](data) for data in some_data(kind)] if kind in writers else []


def some_data(kind: str, seed: int = _SEED) -> list[object]:
    """Parts by chance as extractors take them, for the modalities whose form the house knows;
    nothing for others.
    """
    random = np.random.default_rng(seed)
    by_kind: dict[str, list[object]] = {
        "text": ["", "What colour is the bus?", "猫"],
        "image": [
            random.integers(0, 256, (48, 64, 3), dtype=np.uint8),
            np.zeros((256, 256, 3), np.uint8),
        ],
        "audio": [
            random.uniform(-0.5, 0.5, 16_000).astype(np.float32),
            np.zeros(8_000, np.float32),
        ],
        "video": [random.integers(0, 256, (8, 48, 64, 3), dtype=np.uint8)],
        "table": [{"age": 34, "city": "Paris", "income": None}],
        "series": [random.normal(size=(100, 2)).astype(np.float32)],
    }
    return by_kind.get(kind, [])


def _record(number: int, random: np.random.Generator) -> Record:
    parts = {}
    for kind in names():
        if random.uniform() < 0.6:
            parts[kind] = _part(kind, random)
    signals = {
        f"{name}.{word}": float(random.uniform())
        for name, part in parts.items()
        if part.uri
        for word in SIGNALS
    }
    key = f"s-{number}"
    label, score = str(random.choice(["yes", "no"])), float(random.normal())
    targets: dict[str, JsonValue] = {"label": label, "score": score}
    return Record(
        key,
        str(random.choice([key, "g"])),
        Origin("s", "a.csv", number + 2, str(number)),
        parts,
        targets,
        signals=signals,
    )


def _part(kind: str, random: np.random.Generator) -> Part:
    if kind == "table":
        return Part(kind, text='{"age":34,"city":null}')
    if not isinstance(modality(kind), OnDisk):
        text = " ".join(random.choice(_WORDS, 4))
        return Part(
            kind,
            text=text,
            cues=(Cue(0.0, 1.0, text), Cue(1.5, 2.0, "b")) if random.uniform() < 0.3 else (),
        )
    span = (1.0, 3.0) if modality(kind).timed and random.uniform() < 0.3 else (None, None)
    width, height = (64, 48) if modality(kind).has_pixels else (None, None)
    uri = f"a.{kind}"
    return Part(
        kind,
        uri=uri,
        start_s=span[0],
        end_s=span[1],
        hash="0" * 32,
        bytes=100,
        width=width,
        height=height,
        duration_s=10.0,
    )


def _decisions(stage: CorpusStage, records: Sequence[Record]) -> object:
    table = rows_to_table(Row(record) for record in records)
    return stage.decide(stage.kept(narrowed(table, stage.reads())))


def _seen(rows: Iterable[Row]) -> list[object]:
    return [(row.record, row.fault) for row in rows]


def _unpickled(made: Addressed) -> list[str]:
    """A line where it does not survive the way to another process."""
    try:
        again = pickle.loads(pickle.dumps(made))  # noqa: S301  # of our own making
    except Exception as error:
        return [f"it cannot go to another process: {type(error).__name__}: {error}"]
    return [] if again == made else ["it comes out of another process as something else"]
