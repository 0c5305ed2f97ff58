"""Features: each distinct content of a part extracted once by the workers, and cached."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..schemas.disk import read_note, stamp_of, write_json, write_table
from ..schemas.errors import DamageError, InputError
from ..schemas.features import (
    ENDINGS,
    CachedVectors,
    FeatureNote,
    read_feature_counts,
    read_vectors,
    vectors_table,
    write_keys,
)
from ..schemas.fingerprint import fingerprint
from ..schemas.json_value import JsonValue
from ..schemas.layout import RunFolder
from ..schemas.manifest import Manifest
from ..schemas.record import Part
from ..stages.base import Beat, Extractor, VectorFitted, checked, deciding_options, stored
from ..stages.media.refusing import refusing
from ..stages.modality import modality
from .engine import Engine
from .plan import Plan, identity
from .task import refuse_skipped

FEATURES_VERSION = 2
_TASK_BYTES = 128 << 20  # of sequences


@dataclass(frozen=True, slots=True)
class _Entry:
    """A part whose vector is wanted, by the record that has it."""

    key: str
    content: str
    part: Part
    split: str | None
    target: JsonValue


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
        made = _Made()
        waiting: list[_Decoded] = []
        for content, part in self.parts:
            item = f"{part.modality}:{part.uri or content}"
            beat(item)
            try:
                refuse_skipped(item, skip)
                with refusing("decoder_failed", item):
                    data = modality(part.modality).decoded(self.root, part, self.extractor.reads_by)
            except DamageError as error:
                made.faults[content] = [error.rule, error.message]
                continue
            waiting.append(_Decoded(content, item, data))
            if len(waiting) >= self.extractor.batch:
                self._extract(waiting, made, beat, skip)
                waiting = []
        self._extract(waiting, made, beat, skip)
        table = vectors_table(
            list(made.vectors),
            list(made.vectors.values()),
            self.extractor.extracted_dims(),
            self._type(),
            list(made.counts.values()) if self.extractor.counted() else None,
            are_sequences=self.extractor.sequence_limit() is not None,
            beside=self.path.parent,
        )
        write_table(self.path, table, {"faults": made.faults})
        return len(made.vectors)

    def is_unbounded(self) -> bool:
        """Whether the memory bound of its worker has to be lifted for it."""
        return self.extractor.maps_much()

    def _extract(
        self, decoded: Sequence[_Decoded], made: _Made, beat: Beat, skip: Mapping[str, str]
    ) -> None:
        """Add what the extractor makes of parts: of all at once, or of each where one of them is
        refused or brought the worker down.
        """
        if len(decoded) > 1:
            item = f"{len(decoded)} parts from {decoded[0].item} on"
            beat(item)
            try:
                refuse_skipped(item, skip)
                vectors = self.extractor.extract_all([one.data for one in decoded])
                for one, vector in zip(decoded, vectors, strict=True):
                    self._add(one, vector, made)
                return
            except DamageError:
                pass
        for one in decoded:
            beat(one.item)
            try:
                refuse_skipped(one.item, skip)
                self._add(one, self.extractor.extract(one.data), made)
            except DamageError as error:
                made.faults[one.content] = [error.rule, error.message]

    def _add(self, one: _Decoded, vector: np.ndarray, made: _Made) -> None:
        kept = checked(self.extractor, vector, one.item)
        made.vectors[one.content] = kept.astype(self._type(), copy=False)
        made.counts[one.content] = self.extractor.counts(one.data, vector)

    def _type(self) -> np.dtype[np.floating[Any]]:
        """That of its file: vectors that may yet be changed are in full."""
        has_sequences = self.extractor.sequence_limit() is not None
        return self.extractor.kept_type() if has_sequences else np.dtype(np.float32)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A part that was decoded, by its content id. item: what messages call it."""

    content: str
    item: str
    data: object


@dataclass(frozen=True, slots=True)
class _Made:
    """What a task made, by content id."""

    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    counts: dict[str, list[int]] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)


def write_features(
    plan: Plan,
    manifest: Manifest,
    out: Path,
    engine: Engine,
    advance: Callable[[int, int], None],
) -> list[str]:
    """Bring the caches of all parts that the recipe names up to date; a line for each that lacks
    some. ``advance(done, total)`` counts parts.
    """
    folder, work = RunFolder(out).features, RunFolder(out).work
    note = work.features_note
    configs = {
        name: fingerprint(FEATURES_VERSION, identity(extractor, plan))
        for name, extractor in plan.features.items()
    }
    wanted = [f"{name}{ending}" for name in plan.features for ending in ENDINGS]
    total = len(plan.features)
    options = {name: deciding_options(extractor) for name, extractor in plan.features.items()}
    if note.is_file() and json.loads(note.read_text()) == _state(
        manifest.made_from, configs, options, folder, wanted
    ):
        advance(total, total)
        return []
    advance(0, total)
    entries = _entries(plan, manifest)
    lines = []
    for done, (name, extractor) in enumerate(plan.features.items(), 1):
        whole = extractor.reads_by
        config = fingerprint(FEATURES_VERSION, identity(whole, plan))
        extracting = _Extracting(name, whole, config, plan.root, work.features / config, engine)
        if not isinstance(extractor, VectorFitted):
            cache = extracting.write(entries[name], folder)
        else:
            before = extracting.write(entries[name], work.features / "whole")
            cache = _fitted_to_vectors(extractor, configs[name], before, entries[name])
            present = {entry.content for entry in entries[name]}
            cache.write(folder, name, sorted(cache.vectors.keys() & present))
            write_keys(folder, name, {entry.key: entry.content for entry in entries[name]})
        faults = cache.faults
        lines += _remarks(name, whole, entries[name], cache)
        splits = {entry.split for entry in entries[name]} - {None}
        if cache.note.weights and splits and "train" not in splits:
            lines.append(
                f"features: {extractor.address} of {name} is fitted to all records, those that a"
                " model is tested on as well, for none is in the split 'train'"
            )
        own = [entry for entry in entries[name] if entry.content in faults]
        if own:
            rules = Counter(faults[entry.content][0] for entry in own).most_common()
            lines.append(
                f"features: {len(own):,} of {len(entries[name]):,} records have no"
                f" {extractor.address} of {name}"
                f" ({', '.join(f'{number:,} {rule}' for rule, number in rules)});"
                f" the first: {faults[own[0].content][1]}"
            )
        advance(done, total)
    for path in folder.glob("*.arrow"):
        if path.name not in wanted:
            path.unlink()
    write_json(note, _state(manifest.made_from, configs, options, folder, wanted))
    return lines


def _remarks(
    name: str, extractor: Extractor, entries: Sequence[_Entry], cache: CachedVectors
) -> list[str]:
    """What the extractor has to say of all records together, a line each."""
    # empty where a cache was written before its extractor counted anything
    counts = filter(None, (cache.counts.get(entry.content) for entry in entries))
    said = extractor.remarks(counts)
    return [f"features: {extractor.address} of {name}: {line}" for line in said]


def _entries(plan: Plan, manifest: Manifest) -> dict[str, list[_Entry]]:
    """For each part that the recipe names, the records that have it whole."""
    entries: dict[str, list[_Entry]] = {name: [] for name in plan.features}
    for record in manifest.records():
        for name, extractor in plan.features.items():
            part = record.parts.get(name)
            if part is not None and part.modality == extractor.modality and not part.damage:
                content = fingerprint(*part.identity())
                target = record.targets.get(getattr(extractor, "target", None) or "")
                entries[name].append(_Entry(record.key, content, part, record.split, target))
    return entries


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


def _to_fit_on(entries: Sequence[_Entry]) -> Sequence[_Entry]:
    """Those of the split ``train``; all where there are none."""
    return [entry for entry in entries if entry.split == "train"] or entries


def _note(extractor: Extractor, config: str, weights: np.ndarray | None = None) -> FeatureNote:
    """What made a cache, with the weights to which its extractor was fitted."""
    return FeatureNote(
        extractor=config,
        address=extractor.address,
        dims=extractor.dims(),
        fit=fingerprint(weights.tolist()) if weights is not None else "",
        one_scale=extractor.one_scale,
        identity=extractor.identity(),
        longest=extractor.sequence_limit(),
        options=deciding_options(extractor),
        weights=weights.tolist() if weights is not None else [],
    )


def _fitted_to_vectors(
    extractor: VectorFitted, config: str, whole: CachedVectors, entries: Sequence[_Entry]
) -> CachedVectors:
    """The cache of an extractor that is fitted to the vectors of another one, of the cache of
    that.
    """
    seen = [entry for entry in _to_fit_on(entries) if entry.content in whole.vectors]
    if extractor.sees_answers and not any(entry.split == "train" for entry in seen):
        raise InputError(
            f"features: {extractor.address} wants records of the split 'train', and found none; it"
            " must not see the answers of the others (add the stage align.split)"
        )
    if not seen:
        raise InputError(
            f"features: {extractor.address} is fitted to the vectors of the split 'train' (of all"
            " records where there is none), and none of them has one"
        )
    before = np.array(whole.note.weights or [], np.float32)
    weights = extractor.fit_vectors(
        np.stack([whole.vectors[entry.content] for entry in seen]),
        [entry.target for entry in seen],
        before if len(before) else None,
    )
    cache = CachedVectors(_note(extractor, config, weights), {}, dict(whole.faults), whole.counts)
    for content, vector in whole.vectors.items():
        with np.errstate(over="ignore"):
            reduced = extractor.reduce(vector, weights).astype(np.float16)
        if np.isfinite(reduced).all():
            cache.vectors[content] = reduced
        else:
            cache.faults[content] = [
                "features_out_of_range",
                f"features by {extractor.address}: numbers beyond the 65,504 of float16",
            ]
    if whole.vectors and not cache.vectors:
        raise InputError(
            f"features: none of {len(whole.vectors):,} vectors is left by {extractor.address}:"
            " all of them have numbers beyond the 65,504 of float16"
        )
    return cache


@dataclass(frozen=True, slots=True)
class _Extracting:
    """The extraction of one part by one extractor. config: fingerprint of all that can change a
    vector. chunks: where the vectors of finished tasks lie.
    """

    name: str
    extractor: Extractor
    config: str
    root: Path
    chunks: Path
    engine: Engine

    def write(self, entries: Sequence[_Entry], folder: Path) -> CachedVectors:
        """Bring the cache up to date."""
        distinct = {entry.content: entry.part for entry in entries}
        weights = self._fitted(entries)
        note = _note(self.extractor, self.config, weights)
        cache = CachedVectors.read(folder, self.name, note)
        cache.faults = {
            content: fault
            for content, fault in cache.faults.items()
            # where nothing at all could be extracted, it is tried again
            if content in distinct and cache.vectors
        }
        if cache.vectors.keys() | cache.faults.keys() != distinct.keys() or cache.note != note:
            cache.note = note
            tasks = self._tasks(distinct, cache)
            # files that are there were finished by a run that was stopped
            for _ in self.engine.map([task for task in tasks if not task.path.is_file()]):
                pass
            for task in tasks:
                cache.faults |= read_note(task.path)["faults"]
                for content, vector in read_vectors(task.path).items():
                    cache.vectors[content] = stored(self.extractor, vector, weights)
                cache.counts |= read_feature_counts(task.path)
            ids = sorted(content for content in cache.vectors if content in distinct)
            cache.write(folder, self.name, ids, self.extractor.kept_type())
            for task in tasks:
                task.path.unlink(missing_ok=True)
        if entries and len(cache.faults) == len(distinct):
            raise InputError(
                f"features: none of {len(entries):,} records has a vector of {self.name} by"
                f" {self.extractor.address}; the first: {min(cache.faults.values())[1]}"
            )
        write_keys(folder, self.name, {entry.key: entry.content for entry in entries})
        return cache

    def _fitted(self, entries: Sequence[_Entry]) -> np.ndarray | None:
        """What the extractor is fitted to; None for one that is not."""
        if not hasattr(self.extractor, "fit"):
            return None
        # what is fitted must not have seen the records that a model is tested on
        weights: np.ndarray = self.extractor.fit(
            [entry.part.text or "" for entry in _to_fit_on(entries)]
        )
        return weights

    def _tasks(self, distinct: Mapping[str, Part], cache: CachedVectors) -> list[FeatureTask]:
        """A task for some of the contents each that are not cached."""
        missing = sorted(distinct.keys() - cache.vectors.keys() - cache.faults.keys())
        size = modality(self.extractor.modality).parts_per_task
        if (longest := self.extractor.sequence_limit()) is not None:
            bytes_each = longest * self.extractor.dims() * self.extractor.kept_type().itemsize
            size = max(1, min(size, _TASK_BYTES // bytes_each))
        chunks = [missing[start : start + size] for start in range(0, len(missing), size)]
        return [
            FeatureTask(
                self.root,
                self.extractor,
                tuple((content, distinct[content]) for content in chunk),
                self.chunks / f"{fingerprint(chunk)}.arrow",
            )
            for chunk in chunks
        ]
