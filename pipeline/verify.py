"""Checking what lies on disk against its checksums."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from ..schemas.disk import read_table
from ..schemas.errors import InputError
from ..schemas.fingerprint import fingerprint, hash_file
from ..schemas.index import SET_FILE, Shard, read_shard_set, shards_within
from ..schemas.layout import RunFolder


def verify(out: Path) -> tuple[int, list[str]]:
    """Number of files checked, and one line for each that is not what it should be, naming the
    damaged members.
    """
    folder = shards_within(out)
    shards = read_shard_set(folder)
    problems: list[str] = []
    files = 1
    for shard in shards.shards:
        files += 2
        index = folder / f"{shard.name}.arrow"
        index_good = index.is_file() and hash_file(index) == shard.index_xxh3
        if not index_good:
            problems.append(
                f"{index}: {'differs from its checksum' if index.is_file() else 'is not there'};"
                " run the recipe again to write it anew"
            )
        if index_good:
            problems += _check_counts(index, shard)
        problems += _check_tar(folder / f"{shard.name}.tar", shard, index if index_good else None)
    if (
        fingerprint([(shard.name, shard.xxh3, shard.index_xxh3) for shard in shards.shards])
        != shards.fingerprint
    ):
        problems.append(f"{folder / SET_FILE}: the fingerprint does not fit the shards it lists")
    manifest = RunFolder(out).manifest
    if manifest.is_file():
        files += 1
        if hash_file(manifest) != shards.records_xxh3:
            problems.append(
                f"{manifest}: is not the manifest that the shards were made from; run the"
                " recipe to its end to renew them"
            )
    listed = {f"{shard.name}.tar" for shard in shards.shards}
    problems += [
        f"{path}: is not in {SET_FILE}"
        for path in sorted(folder.glob("*.tar"))
        if path.name not in listed
    ]
    return files, problems


def stale(out: Path, records_xxh3: str) -> bool:
    """Whether there are shards in an output folder which were made from other records than
    these.
    """
    try:
        return read_shard_set(RunFolder(out).shards).records_xxh3 != records_xxh3
    except InputError:
        return False


def _check_counts(index: Path, shard: Shard) -> list[str]:
    """What ``shards.json`` says of a shard that its index does not: numbers of records and samples,
    and the split in its name.
    """
    table = read_table(index).select(["sample"])
    wanted = {"records": table.num_rows, "samples": len(table["sample"].unique())}
    lines = [
        f"{index}: {SET_FILE} says {getattr(shard, word):,} {word}, the index has {number:,}"
        for word, number in wanted.items()
        if getattr(shard, word) != number
    ]
    if shard.name.rpartition("-")[0] != shard.split:
        lines.append(f"{index}: {SET_FILE} says that it is of the split {shard.split!r}")
    return lines


def _check_tar(path: Path, shard: Shard, index: Path | None) -> list[str]:
    if not path.is_file():
        return [f"{path}: is not there; run the recipe again to write it anew"]
    size = path.stat().st_size
    if size == shard.bytes and hash_file(path) == shard.xxh3:
        return []
    head = f"{path}: differs from its checksum"
    if size != shard.bytes:
        head += f" ({size:,} bytes, wanted {shard.bytes:,})"
    if index is None:
        return [head]
    damaged = []
    seen: set[int] = set()
    try:
        rows = read_table(index).select(["media", "others"]).to_pylist()
    except (pa.ArrowInvalid, InputError):
        return [head]
    for row in rows:
        for member in [*row["media"], *row["others"]]:
            # records of one sample share their members
            if member["offset"] in seen:
                continue
            seen.add(member["offset"])
            if hash_file(path, member["offset"], member["size"]) != member["xxh3"]:
                damaged.append(member["name"])
    if damaged:
        more = f" and {len(damaged) - 5} more" if len(damaged) > 5 else ""
        return [f"{head}; damaged: {', '.join(damaged[:5])}{more}"]
    return [f"{head}; every member is whole, the damage lies between them"]
