"""How alike two parts of a record are: the cosine of their cached vectors, where these lie in one
space, as the projections of CLIP, SigLIP and CLAP do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..schemas.disk import write_parquet
from ..schemas.errors import InputError
from ..schemas.features import FeatureCache, FeatureNote
from ..schemas.json_value import JsonValue
from ..schemas.layout import RunFolder
from ..schemas.manifest import read_manifest
from ..schemas.plain_text import Verbatim, plain_table, render_text

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(slots=True)
class Similarities:
    """What ``modalmill similarity`` found. parts: the two. keys: records that have vectors of both,
    neither of them zero. cosine_N: of each, in [-1, 1]. strangers_N: of the first part of each with
    the second of the record half the set away; what it is without belonging together. notes: what a
    person should know.
    """

    out: Path
    parts: tuple[str, str]
    keys: list[str]
    cosine_N: np.ndarray
    strangers_N: np.ndarray
    notes: list[str] = field(default_factory=list)


def find_similarity(out: Path, parts: Sequence[str]) -> Similarities:
    """The cosine of two parts of each record; InputError where they have no cached vectors of one
    length, or no record has both.
    """
    if len(set(parts)) != 2 or len(parts) != 2:
        raise InputError(
            f"--parts: wanted two parts, for example image,caption, found {','.join(parts)!r}"
        )
    folder = RunFolder(out).features
    one, other = (FeatureCache(folder, name) for name in parts)
    if one.dims != other.dims:
        raise InputError(
            f"--parts: {parts[0]} has vectors of {one.dims} numbers and {parts[1]} of {other.dims};"
            " wanted two of one space, by features.transformers with one model and"
            " pool: projection"
        )
    keys = read_manifest(out)["key"]
    rows_one, rows_other = one.rows(keys), other.rows(keys)
    has_both = (rows_one >= 0) & (rows_other >= 0)
    if not has_both.any():
        raise InputError(
            f"--parts: none of {len(keys):,} records has vectors of {parts[0]} and {parts[1]}"
        )
    vectors_one = one.one_each(rows_one[has_both])
    vectors_other = other.one_each(rows_other[has_both])
    has_cosine = np.logical_and(vectors_one.any(axis=1), vectors_other.any(axis=1))
    if not has_cosine.any():
        raise InputError(
            f"--parts: of each of {len(has_cosine):,} records the vector of {parts[0]} or of"
            f" {parts[1]} is zero, which has no cosine"
        )
    vectors_one = _of_length_1(vectors_one[has_cosine])
    vectors_other = _of_length_1(vectors_other[has_cosine])
    strangers = np.roll(vectors_other, len(vectors_other) // 2, axis=0)
    found = Similarities(
        out,
        (parts[0], parts[1]),
        np.array(keys.to_pylist(), object)[has_both][has_cosine].tolist(),
        np.einsum("nd,nd->n", vectors_one, vectors_other),
        np.einsum("nd,nd->n", vectors_one, strangers),
    )
    sequences = [
        name for name, cache in zip(parts, (one, other), strict=True) if cache.has_sequences
    ]
    if sequences:
        found.notes.append(
            f"features of {' and '.join(sequences)} are sequences: compared by the mean of each"
        )
    if not _of_one_space(one.made_by, other.made_by):
        found.notes.append(
            f"{parts[0]} is by {one.made_by.address}, {parts[1]} by {other.made_by.address}, and"
            " not both by one model with pool: projection: their cosine says nothing unless you"
            " know that they lie in one space"
        )
    lacking, zero = int((~has_both).sum()), int((~has_cosine).sum())
    if lacking:
        found.notes.append(f"{lacking:,} of {len(keys):,} records lack one of them, or both")
    if zero:
        found.notes.append(
            f"{zero:,} of {len(keys):,} records have a vector of zeros (a text without a known"
            " word), which has no cosine: they are left out"
        )
    return found


def write_similarity(found: Similarities) -> Path:
    """Write ``similarity.parquet``: key and cosine of each record."""
    path = RunFolder(found.out).similarity
    table = pa.table({"key": pa.array(found.keys), "similarity": pa.array(found.cosine_N)})
    write_parquet(path, iter([table]))
    return path


def similarity_dict(found: Similarities, top: int) -> dict[str, JsonValue]:
    """For programs: quantiles, the ``top`` least alike, notes."""
    return {
        "parts": list(found.parts),
        "records": len(found.keys),
        "quantiles": _quantiles(found.cosine_N),
        "of_strangers": _quantiles(found.strangers_N),
        "least": [{"key": key, "similarity": cosine} for key, cosine in _least(found, top)],
        "notes": list(found.notes),
    }


def similarity_text(found: Similarities, top: int) -> str:
    """For people: quantiles beside those of parts that do not belong together, the ``top`` least
    alike, and what to do next.
    """
    words = [f"{quantile:.0%}" for quantile in _QUANTILES]
    table = plain_table("cosine", *words, right=words)
    rows = {"of one record": found.cosine_N, "of two records": found.strangers_N}
    for name, values in rows.items():
        table.add_row(name, *(f"{value:.3f}" for value in _quantiles(values).values()))
    worst = plain_table("least alike", "cosine", right=("cosine",))
    for key, cosine in _least(found, top):
        worst.add_row(key, f"{cosine:.3f}")
    head = f"{found.parts[0]} and {found.parts[1]} of {len(found.keys):,} records"
    path = RunFolder(found.out).similarity
    return render_text(
        head,
        table,
        *([worst] if top else []),
        *(f"note: {note}" for note in found.notes),
        f"Each stands in {path}. To keep those above a limit, in a recipe:",
        Verbatim(f"  - align.signals: {{path: {path}, signals: {{similarity: similarity}}}}"),
        Verbatim('  - clean.rules: {similarity: ">= 0.2"}'),
    )


def _of_length_1(vectors_ND: np.ndarray) -> np.ndarray:
    wide_ND = vectors_ND.astype(np.float64)
    length_N = np.linalg.norm(wide_ND, axis=1, keepdims=True)
    return np.asarray(wide_ND / length_N)


def _of_one_space(one: FeatureNote, other: FeatureNote) -> bool:
    """Whether two caches say that their vectors are projections by one model."""
    options = [note.options or {} for note in (one, other)]
    return one.address == other.address and all(
        "projection" in (own.get("pool"), own.get("each_frame"))
        and own.get("model") == options[0].get("model")
        for own in options
    )


def _quantiles(values: np.ndarray) -> dict[str, float]:
    found = np.quantile(values, _QUANTILES)
    return {f"{quantile:.0%}": float(own) for quantile, own in zip(_QUANTILES, found, strict=True)}


def _least(found: Similarities, top: int) -> list[tuple[str, float]]:
    order = np.argsort(found.cosine_N, kind="stable")[:top]
    return [(found.keys[place], float(found.cosine_N[place])) for place in order]
