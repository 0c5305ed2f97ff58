"""Sources are read again where something changed, and their first mistake is the one shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from commands import alone, here
from mixture import products
from modalmill.pipeline.ingesting import _check_keys
from modalmill.pipeline.run import Result
from modalmill.schemas.disk import write_table
from modalmill.schemas.errors import InputError
from modalmill.schemas.manifest import Row, rows_to_table
from modalmill.schemas.record import Origin, Record
from tiny import jpeg, recipe, write


def test_a_changed_file_is_noticed_where_its_path_begins_with_a_field(
    tmp_path: Path, run_recipe: Callable[..., Result]
) -> None:
    write(tmp_path / "raw" / "t.csv", "id,l\n1,a\n2,b\n")
    for number in (1, 2):
        write(tmp_path / "raw" / f"{number}.jpg", jpeg(seed=number))
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "targets": ["l"],
        "media": {"image": {"path": "{id}.jpg"}},
    }
    out = tmp_path / "raw" / "out"  # an output folder inside of the data is no part of them
    value = recipe(tmp_path / "raw", {"t": source})
    run_recipe(value, out)
    before = products(out)
    stamps = {path: path.stat().st_mtime_ns for path in (out / "work" / "ingest").iterdir()}
    run_recipe(value, out)
    assert {path: path.stat().st_mtime_ns for path in (out / "work" / "ingest").iterdir()} == stamps
    write(tmp_path / "raw" / "1.jpg", jpeg(48, 80, seed=9))
    run_recipe(value, out)
    assert products(out) != before
    run_recipe(value, tmp_path / "fresh")
    assert products(tmp_path / "fresh") == products(out)


def test_a_key_that_is_given_twice_is_found_across_partitions(tmp_path: Path) -> None:
    paths = []
    for number, keys in enumerate((["a", "b"], ["c", "a"])):
        origin = Origin("s", "f")
        rows = rows_to_table(Row(Record(key, key, origin)) for key in keys)
        paths.append(tmp_path / f"{number}.arrow")
        write_table(paths[-1], rows, {})
    _check_keys(paths[:1])
    with pytest.raises(InputError, match="two records have the key 'a'"):
        _check_keys(paths)


def test_an_error_in_one_of_several_sources_is_the_one_that_is_shown(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path / "img" / f"{number}.jpg", jpeg())
    write(tmp_path / "labels.csv", "file,label\n0.jpg,a\n")
    sources = {name: {"type": "image_folder", "path": "img", "part": name} for name in ("b", "c")}
    value = recipe(
        tmp_path,
        {
            "a": {
                "type": "image_folder",
                "path": "img",
                "labels": {"path": "labels.csv", "match": "{fille:stem}"},
            },
            **sources,
        },
    )
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    for _ in range(3):
        done = here("run", tmp_path / "r.yaml", "--out", tmp_path / "out")
        assert done.returncode == 1
        assert (
            "labels.match: '{fille:stem}': there is no field 'fille'; did you mean 'file'"
            in done.stderr
        )


def test_a_name_that_blows_a_pattern_up_costs_its_own_file(tmp_path: Path) -> None:
    names = ["a-b", "-".join("a" * 120) + "!"]
    for name in names:
        write(tmp_path / "img" / f"{name}.jpg", jpeg())
    parse = "-".join(f"{{f{number}}}" for number in range(12)) + "?"
    value = recipe(
        tmp_path,
        {"s": {"type": "image_folder", "path": "img", "parse": parse}},
        deadline_s=1.0,
        tolerance=1.0,
        shard=None,
    )
    write(tmp_path / "r.yaml", yaml.safe_dump(value))
    done = alone("run", tmp_path / "r.yaml", "--out", tmp_path / "out", "--workers", "1")
    # nothing is left: one name does not fit, and the other takes too long
    assert done.returncode == 1
    assert "decoder_timeout" in done.stderr
    assert {
        row["rule"] for row in pq.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    } == {"name_mismatch", "decoder_timeout"}
