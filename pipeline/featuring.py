"""The feature cache: each distinct content extracted once, kept in one Arrow file a part, found by
record key.

features/image.arrow        content id -> vector (float16), sorted by id; in its metadata the
                            extractor
features/image.keys.arrow   record key -> row of the file beside it
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from ..schemas.disk import read_note, read_table, stamp_of, write_json, write_table
from ..schemas.errors import DamageError, InputError
from ..schemas.features import FeatureNote
from ..schemas.fingerprint import fingerprint
from ..schemas.json_value import JsonValue
from ..schemas.layout import RunFolder
from ..schemas.record import Part, Record
from ..stages.base import Beat, Extractor, extracted, options_of, stored
from ..stages.media.refusing import refusing
from ..stages.modality import modality
from .engine import Engine
from .plan import Plan, identity
from .task import refuse_skipped

FEATURES_VERSION = 2

_Entry: TypeAlias = tuple[str, str, Part, str | None]  # key, content id, part, split


@dataclass(frozen=True, slots=True)
class FeatureTask:
    """Extracts the vectors of some parts into one Arrow file; parts that give none are left out,
    and its note says why.
    """

    root: Path
    extractor: Extractor
    parts: tuple[tuple[str, Part], ...]
    path: Path

    def run(self, beat: Beat, skip: Mapping[str, str]) -> int:
        ids, vectors, faults = [], [], {}
        for content, part in self.parts:
            item = f"{part.modality}:{part.uri or content}"
            beat(item)
            try:
                refuse_skipped(item, skip)
                with refusing("decoder_failed", item):
                    data = modality(part.modality).decoded(self.root, part, self.extractor)
                vectors.append(extracted(self.extractor, data, item))
                ids.append(content)
            except DamageError as error:
                faults[content] = [error.rule, error.message]
        write_table(
            self.path, _table(ids, vectors, self.extractor.dims(), np.float32), {"faults": faults}
        )
        return len(ids)


def write_features(
    plan: Plan,
    made_from: str,
    records: Callable[[], Iterable[Record]],
    out: Path,
    engine: Engine,
    advance: Callable[[int, int], None],
) -> list[str]:
    """Bring the caches of all parts that the recipe names up to date; a line for each that lacks
    some. ``made_from`` changes when the records do.
    """
    folder, work = RunFolder(out).features, RunFolder(out).work
    note = work.features_note
    configs = {
        name: fingerprint(FEATURES_VERSION, identity(extractor, plan))
        for name, extractor in plan.features.items()
    }
    wanted = [f"{name}{ending}" for name in plan.features for ending in (".arrow", ".keys.arrow")]
    total = len(plan.features)
    options = {name: options_of(extractor) for name, extractor in plan.features.items()}
    if note.is_file() and json.loads(note.read_text()) == _state(
        made_from, configs, options, folder, wanted
    ):
        advance(total, total)
        return []
    advance(0, total)
    parts: dict[str, list[_Entry]] = {name: [] for name in plan.features}
    for record in records():
        for name, extractor in plan.features.items():
            part = record.parts.get(name)
            if part is not None and part.modality == extractor.modality and not part.damage:
                parts[name].append((record.key, fingerprint(*part.identity()), part, record.split))
    lines = []
    for done, (name, extractor) in enumerate(plan.features.items(), 1):
        lacking = _write_part(
            name,
            extractor,
            configs[name],
            parts[name],
            folder,
            work.features / configs[name],
            plan.root,
            engine,
        )
        if lacking:
            reasons = ", ".join(
                f"{number:,} {rule}"
                for rule, number in Counter(rule for rule, _ in lacking).most_common()
            )
            lines.append(
                f"features: {len(lacking):,} of {len(parts[name]):,} records have no"
                f" {extractor.address} of {name} ({reasons});"
                f" the first: {lacking[0][1]}"
            )
        advance(done, total)
    for path in folder.glob("*.arrow"):
        if path.name not in wanted:
            path.unlink()
    write_json(note, _state(made_from, configs, options, folder, wanted))
    return lines


def _state(
    made_from: str,
    configs: Mapping[str, str],
    options: Mapping[str, JsonValue],
    folder: Path,
    names: Sequence[str],
) -> dict[str, JsonValue]:
    """What the caches were made from, and size and time of their files."""
    files = {name: stamp for name in names if (stamp := stamp_of(folder / name))}
    return {
        "made_from": made_from,
        "configs": configs,
        "options": options,
        "files": files,
        "whole": len(files) == len(names),
    }


def _write_part(
    name: str,
    extractor: Extractor,
    config: str,
    parts: list[_Entry],
    folder: Path,
    work: Path,
    root: Path,
    engine: Engine,
) -> list[tuple[str, str]]:
    """Bring one cache up to date; for each record that has the part and no vector the rule and the
    reason.
    """
    distinct = {content: part for _, content, part, _ in parts}
    weights: np.ndarray | None = None
    if hasattr(extractor, "fit"):
        # what is fitted must not have seen the records that a model is tested on
        train = [part.text or "" for _, _, part, split in parts if split == "train"] or [
            part.text or "" for _, _, part, _ in parts
        ]
        weights = extractor.fit(train)
    note = FeatureNote(
        extractor=config,
        address=extractor.address,
        dims=extractor.dims(),
        fit=fingerprint(weights.tolist()) if weights is not None else "",
        one_scale=extractor.one_scale,
        identity=extractor.identity(),
        options=options_of(extractor),
        weights=weights.tolist() if weights is not None else [],
    )
    target, keys_target = folder / f"{name}.arrow", folder / f"{name}.keys.arrow"
    found_note = read_note(target) if target.is_file() else {}
    faults: dict[str, list[str]] = found_note.pop("faults", {})
    found = FeatureNote.from_dict(found_note)
    vectors = (
        _known(target, note.dims)
        if (found.extractor, found.fit) == (note.extractor, note.fit)
        else {}
    )
    faults = {
        content: fault for content, fault in faults.items() if content in distinct and vectors
    }
    if vectors.keys() | faults.keys() != distinct.keys() or found != note:
        missing = sorted(
            content for content in distinct if content not in vectors and content not in faults
        )
        size = modality(extractor.modality).parts_per_task
        chunks = [
            tuple((content, distinct[content]) for content in missing[start : start + size])
            for start in range(0, len(missing), size)
        ]
        tasks = [
            FeatureTask(
                root,
                extractor,
                chunk,
                work / f"{fingerprint([content for content, _ in chunk])}.arrow",
            )
            for chunk in chunks
        ]
        # files that are there were finished by a run that was stopped
        for _ in engine.map([task for task in tasks if not task.path.is_file()]):
            pass
        for task in tasks:
            fresh = read_table(task.path)
            faults |= read_note(task.path)["faults"]
            values = (
                fresh["vector"]
                .combine_chunks()
                .flatten()
                .to_numpy(zero_copy_only=False)
                .reshape(-1, extractor.dims())
            )
            for content, vector in zip(fresh["id"].to_pylist(), values, strict=True):
                vectors[content] = stored(extractor, vector, weights)
        ids = sorted(content for content in vectors if content in distinct)
        write_table(
            target,
            _table(
                ids, [vectors[content] for content in ids], extractor.dims(), np.float16
            ).combine_chunks(),
            note.to_dict() | ({"faults": dict(sorted(faults.items()))} if faults else {}),
            rows_per_batch=max(1, len(ids)),
        )  # one batch: read as one view of the memory map
        for task in tasks:
            task.path.unlink(missing_ok=True)
    if parts and len(faults) == len(distinct):
        raise InputError(
            f"features: none of {len(parts):,} records has a vector of {name} by"
            f" {extractor.address}; the first: {min(faults.values())[1]}"
        )
    rows = {content: row for row, content in enumerate(read_table(target)["id"].to_pylist())}
    keyed_rows = sorted((key, rows[content]) for key, content, _, _ in parts if content in rows)
    table = pa.table(
        {
            "key": pa.array([key for key, _ in keyed_rows], pa.string()),
            "row": pa.array([row for _, row in keyed_rows], pa.int64()),
        }
    )
    if not keys_target.is_file() or not read_table(keys_target).equals(table):
        write_table(keys_target, table)
    return [
        (faults[content][0], faults[content][1]) for _, content, _, _ in parts if content in faults
    ]


def _table(
    ids: list[str], vectors: list[np.ndarray], dims: int, kind: type[np.floating[Any]]
) -> pa.Table:
    flat = np.concatenate(vectors).astype(kind) if vectors else np.empty(0, kind)
    return pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat), dims),
        }
    )


def _known(target: Path, dims: int) -> dict[str, np.ndarray]:
    """The vectors of an earlier run by the same extractor with the same fit."""
    table = read_table(target)
    values = (
        table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, dims)
    )
    return dict(zip(table["id"].to_pylist(), values, strict=True))
