"""What the stages that clean and augment cost. Of those that write steps onto a part, carrying out
the steps (nothing is drawn in the time that counts), which are drawn several times for each medium,
for one draw costs more than another; of an option of ``clean.text`` what it does to a text, and of
copies of texts the copy; of the others the stage on a record.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from _rates import DRAWS, RATE_HZ, Inputs, Told
from modalmill.schemas.record import Origin, Part, Record, Step
from modalmill.stages.base import RecordStage, Stage, addresses, find, make
from modalmill.stages.clean.text import Text as CleanText
from modalmill.stages.copies import ChangedCopies
from modalmill.stages.measure.measurements import units_wanted
from modalmill.stages.media.audio import Sound
from modalmill.stages.media.metadata import without_metadata
from modalmill.stages.media.sound_steps import READ_STEPS
from modalmill.stages.media.steps import BARE_STEP, apply_to_pixels, apply_with_notes
from modalmill.stages.modality import on_disk
from modalmill.stages.signal import measured_anyway, numbers_of, signals_of

MEDIA = {"image": "pictures", "audio": "sounds", "video": "films"}
ROOMS = ("clean.", "augment.")
TRACKS: dict[str, Mapping[str, np.ndarray]] = {}  # by the names of files
Variants = Mapping[str, Mapping[str, Any]]


def variants_of(address: str, inputs: Inputs) -> Variants:
    """What is measured of a stage: a word behind its address -> options. A stage that is not named
    here is measured as it is.
    """
    text = {"repair": False, "unicode": "none", "spaces": False}
    named: dict[str, Variants] = {
        "augment.filter": {
            "highpass": {"highpass_hz": (20, 400)},
            "lowpass": {"lowpass_hz": (2000, 7500)},
        },
        "augment.mix": {"": {"path": inputs.folder / "sounds/00.wav"}},
        "augment.room": {"": {}, "path": {"path": inputs.folder / "response.wav"}},
        "augment.speed": {"": {}, "keep_pitch": {"keep_pitch": True}},
        "augment.text": {"dropout": {}, "typos": {"dropout": 0.0, "typos": 0.1}},
        "clean.fill": {"": {"target": "label", "by": "value", "value": "none"}},
        "clean.resample": {"": {"rate_hz": RATE_HZ // 2}},
        "clean.rules": {"": {"rules": {"image.brightness": ">= 0.1", "audio.duration_s": "<= 30"}}},
        "clean.table": {
            "": {
                "ranges": {"width": (1, 10_000)},
                "required": ["seconds"],
                "rules": ["height <= width"],
            }
        },
        "clean.text": {
            "": {},
            "repair": text | {"repair": True},
            "unicode": text | {"unicode": "NFC"},
            "spaces": text | {"spaces": True},
            "lower": text | {"lower": True},
            "strip_html": text | {"strip_html": True},
            "strip_zero_width": text | {"strip_zero_width": True},
            "personal, e-mail and IP": text
            | {"personal": "mask", "personal_kinds": ["email", "ip"]},
            "personal, cards and IBANs": text
            | {"personal": "mask", "personal_kinds": ["card", "iban"]},
            "personal, phone": text | {"personal": "mask", "personal_kinds": ["phone"]},
            "stop_words": text | {"stop_words": True},
            "preset gopher": text | {"preset": "gopher"},
            "preset c4": text | {"preset": "c4"},
            "preset caption": text | {"preset": "caption"},
        },
    }
    return named.get(address, {"": {}})


def measure_changes(inputs: Inputs, told: Told) -> None:
    media = {kind: measured(inputs, kind) for kind in MEDIA}
    for address in addresses(Stage):
        if not address.startswith(ROOMS):
            continue
        if not issubclass(find(address, Stage), RecordStage):
            told.left[address] = "sees all records at once"
            continue
        for word, options in variants_of(address, inputs).items():
            stage, mistakes = make(address, RecordStage, dict(options), address)
            if stage is None:
                told.left[f"{address} {word}".strip()] = "; ".join(mistakes)
            elif stage.needs_fit():
                told.left[address] = "sees all records before it judges one"
            else:
                measure_stage(f"{address} {word}".strip(), stage, media, inputs, told)


def measure_stage(
    name: str,
    stage: RecordStage,
    media: Mapping[str, list[Record]],
    inputs: Inputs,
    told: Told,
) -> None:
    """All that a stage does: to each kind of media, to texts, or to records as a whole."""
    if stage.address.endswith(".text"):
        measure_on_texts(name, stage, inputs, told)
        return
    whole = True
    for kind, records in media.items():
        steps = [
            last_of(stage, record, draw).parts[kind].steps
            for draw in range(DRAWS)
            for record in records
        ]
        if any(steps):
            whole = False
            work, items, amount = carrying_out(kind, steps, inputs)
            told.measure(f"{MEDIA[kind]}|{name}", "", work, items, amount)
    if whole:
        records = [joined(each) for each in zip(*media.values(), strict=False)]
        told.measure(f"records|{name}", "", functools.partial(last_of, stage), records)


def measure_on_texts(name: str, stage: RecordStage, inputs: Inputs, told: Told) -> None:
    for kind, texts in inputs.texts.items():
        is_option = name != stage.address
        if isinstance(stage, CleanText) and is_option and stage.preset is None:
            told.measure(f"{kind}|{name}", "", stage.clean, texts)
            continue
        records = [
            record_of(f"{number:05}", text=Part("text", text=text))
            for number, text in enumerate(texts)
        ]
        work: Callable[[Any], object] = functools.partial(last_of, stage)
        if isinstance(stage, ChangedCopies):
            work = functools.partial(stage.changed, rng=np.random.default_rng(7))
        told.measure(f"{kind}|{name}", "", work, records)


def carrying_out(
    kind: str, steps: Sequence[Sequence[Step]], inputs: Inputs
) -> tuple[Callable[[Any], object], list[Any], float]:
    """What carries out the steps of each medium, the media with their steps, and how much each is
    of what is counted.
    """
    if kind == "image":
        if any(step.op == BARE_STEP for own in steps for step in own):
            data = [path.read_bytes() for path in sorted(inputs.folder.glob("pictures/*.jpg"))]
            return without_metadata, data, 1.0
        return of_pixels, list(zip(inputs.pictures * DRAWS, steps, strict=True)), 1.0
    if kind == "video":
        frames = len(inputs.films[0])
        return of_pixels, list(zip(inputs.films * DRAWS, steps, strict=True)), frames
    if any(step.op in READ_STEPS for own in steps for step in own):
        stereo = [Sound(np.stack([own, own], axis=1), RATE_HZ) for own in inputs.sounds]
        return as_read, list(zip(stereo * DRAWS, steps, strict=True)), inputs.seconds
    return of_samples, list(zip(inputs.sounds * DRAWS, steps, strict=True)), inputs.seconds


def of_pixels(item: tuple[np.ndarray, Sequence[Step]]) -> object:
    return apply_to_pixels(*item)


def of_samples(item: tuple[np.ndarray, Sequence[Step]]) -> object:
    return apply_with_notes(item[0], RATE_HZ, item[1])


def as_read(item: tuple[Sound, Sequence[Step]]) -> object:
    return item[0].read_by(item[1])


def last_of(stage: RecordStage, record: Record, seed: int = 0) -> Record:
    """What comes out of a stage, of a stage that copies the copy."""
    rows = stage.process(record, seed, stage.address, tracks_of)
    return rows[-1].record


def tracks_of(part: Part) -> Mapping[str, np.ndarray]:
    """What was measured of the file of a part over time."""
    return TRACKS.get(part.uri or "", {})


def joined(records: Sequence[Record]) -> Record:
    """One record with the parts and signals of all, and a table of what is known of them."""
    parts = {name: own for each in records for name, own in each.parts.items()}
    cells = {
        "width": parts["image"].width,
        "height": parts["image"].height,
        "seconds": parts["audio"].duration_s,
    }
    table = Part("table", text=json.dumps({name: str(own) for name, own in cells.items()}))
    return replace(
        records[0],
        parts={**parts, "cells": table},
        signals={name: own for each in records for name, own in each.signals.items()},
    )


def record_of(key: str, **parts: Part) -> Record:
    return Record(key=key, group=key, origin=Origin("bench", key), parts=parts, split="train")


def measured(inputs: Inputs, kind: str) -> list[Record]:
    """A record for each medium of a kind, with what measuring finds."""
    names = set(measured_anyway(kind)) | ({"loudness"} if kind == "audio" else set())
    units = frozenset(units_wanted(on_disk(kind), names, {}))
    records = []
    for path in sorted(inputs.folder.glob(f"{MEDIA[kind]}/*")):
        facts = dict(on_disk(kind).measured(path.parent, Part(kind, uri=path.name), units))
        found = facts.pop("found")
        part = Part(kind, uri=path.name, **facts)
        if kind == "audio":
            part = replace(part, channels=2)  # as clean.mono is given it
        tracks = {name: own for each in found.tracks.values() for name, own in each.items()}
        TRACKS[path.name] = tracks
        on_tracks = {name for name in names if signals_of(kind)[name].tracks}
        numbers = {word: own for each in found.signals.values() for word, own in each.items()}
        numbers |= numbers_of(kind, on_disk(kind).stretch(part, tracks), on_tracks, {})
        signals = {f"{kind}.{word}": number for word, number in numbers.items()}
        records.append(replace(record_of(path.stem, **{kind: part}), signals=signals))
    return records
