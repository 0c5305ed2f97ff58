"""What lies inside of another file is read where it lies, and nothing else is read for it."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.errors import DamageError
from modalmill.stages.media import inside as inside_module
from modalmill.stages.media.files import bytes_of, placed, read_file, stamp_of_medium
from modalmill.stages.media.inside import CellPlace, MemberPlace, inside
from streams import tar
from tiny import write

NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/\0"), min_size=1)


@given(NAMES, st.integers(0, 1 << 50), st.integers(0, 1 << 31), NAMES)
def test_a_place_is_read_as_it_was_written(file: str, start: int, size: int, column: str) -> None:
    stretch, cell = MemberPlace(f"a/{file}", start, size), CellPlace(f"a/{file}", start, column)
    assert inside(stretch.uri("b/c.jpg")) == stretch
    assert inside(cell.uri("c.jpg")) == cell


def test_a_member_is_read_and_measured_like_a_file(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", [("0.jpg", b"first"), ("1.mp4", b"second one"), ("2.jpg", b"")])
    with tarfile.open(tmp_path / "a.tar") as theirs:
        places = {one.name: MemberPlace("a.tar", one.offset_data, one.size) for one in theirs}
    uris = {name: place.uri(name) for name, place in places.items()}
    assert read_file(tmp_path, uris["0.jpg"]) == b"first"
    assert [bytes_of(tmp_path, uri) for uri in uris.values()] == [5, 10, 0]
    with placed(tmp_path, uris["1.mp4"]) as path:
        assert (path.read_bytes(), path.suffix) == (b"second one", ".mp4")
    assert not path.exists()
    assert stamp_of_medium(tmp_path, uris["0.jpg"]) == stamp_of_medium(tmp_path, "a.tar")
    with pytest.raises(DamageError, match="zero bytes"):
        read_file(tmp_path, uris["2.jpg"])


def test_a_tar_that_was_written_anew_gives_no_bytes_of_another_member(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", [("0.jpg", b"first"), ("1.jpg", b"second")])
    uri = MemberPlace("a.tar", 512 * 3, 6).uri("1.jpg")
    assert read_file(tmp_path, uri) == b"second"
    others = [[("0.jpg", b"x" * 600), ("1.jpg", b"second")], [("0.jpg", b"first")]]
    others.append([("0.jpg", b"first"), ("1.jpg", b"another")])
    for files in others:
        tar(tmp_path / "a.tar", files)
        with pytest.raises(DamageError, match="container_changed"):
            read_file(tmp_path, uri)


@pytest.mark.parametrize(
    "uri",
    [
        "b.tar/512+5/0.jpg",
        "a.tar/0.jpg",
        "a.tar/512/0.jpg",
        "a.tar/512+5/../0.jpg",
        "../a.tar/512+5/0.jpg",
        "out.tar/512+5/0.jpg",
        "folder/512+5/0.jpg",
    ],
)
def test_what_is_no_place_below_the_root_is_refused(tmp_path: Path, uri: str) -> None:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    for folder in (root, tmp_path):
        tar(folder / "a.tar", [("0.jpg", b"first")])
    os.symlink(tmp_path / "a.tar", root / "out.tar")
    with pytest.raises(DamageError, match=r"path_outside_root|file_missing"):
        read_file(root, uri)


def test_a_file_of_its_own_comes_before_what_its_name_could_mean(tmp_path: Path) -> None:
    write(tmp_path / "a" / "512+5" / "0.jpg", b"a file")
    with placed(tmp_path, "a/512+5/0.jpg") as path:
        assert path == tmp_path / "a" / "512+5" / "0.jpg"


@pytest.mark.parametrize("form", ["parquet", "file", "stream"])
def test_cells_are_read_by_row_and_column(tmp_path: Path, form: str) -> None:
    values = [b"one", None, b"three", b"", b"five"]
    table = pa.table({"image": [{"bytes": value, "path": None} for value in values], "n": [1] * 5})
    path = tmp_path / "t"
    if form == "parquet":
        pq.write_table(table, path, row_group_size=2)
    else:
        make = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
        with pa.OSFile(str(path), "wb") as sink, make(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    uris = [CellPlace("t", row, "image.bytes").uri(f"{row}.jpg") for row in range(6)]
    assert [bytes_of(tmp_path, uri) for uri in uris[:5]] == [3, 0, 5, 0, 4]
    assert [read_file(tmp_path, uris[row]) for row in (4, 0, 2)] == [b"five", b"one", b"three"]
    for uri in (
        uris[5],
        CellPlace("t", 0, "other").uri("0.jpg"),
        CellPlace("t", 0, "n").uri("0.jpg"),
    ):
        with pytest.raises(DamageError, match="container_changed"):
            read_file(tmp_path, uri)


def test_a_group_of_rows_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside_module, "LARGEST_GROUP_BYTES", 1000)
    pq.write_table(pa.table({"a": [os.urandom(600)] * 1 + [os.urandom(600)]}), tmp_path / "t")
    with pytest.raises(DamageError, match="row_group_size=100"):
        read_file(tmp_path, CellPlace("t", 0, "a").uri("0.jpg"))
