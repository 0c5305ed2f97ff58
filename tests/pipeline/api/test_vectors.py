"""Cached features come back with the keys of their records."""

from __future__ import annotations

from pathlib import Path

import modalmill as mm
import numpy as np
import pytest
from modalmill.schemas.errors import InputError
from tiny import jpeg, write


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of which two are the same, two are missing, and one record has none."""
    root = tmp_path_factory.mktemp("vectors")
    seeds = {"a": 1, "b": 2, "c": 1}
    for name, seed in seeds.items():
        write(root / "images" / f"{name}.jpg", jpeg(seed=seed))
    rows = [f"{name},{name}.jpg,words of {name}" for name in seeds]
    write(root / "t.csv", "\n".join(["id,file,words", *rows, "d,,no picture", "e,e.jpg,gone"]))
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"words": "words"},
        "media": {"image": {"path": "images/{file}"}},
    }
    mm.run(
        {
            "name": "pictures",
            "data": root,
            "sources": {"rows": source},
            "features": {"image": "features.image"},
        },
        out=root / "out",
        engine="serial",
        quiet=True,
    )
    return root / "out"


def test_each_record_has_the_vector_of_its_picture(out: Path) -> None:
    found = mm.features(out, "image")
    assert found.keys == ["rows-a", "rows-b", "rows-c"]
    assert found.lacking == ["rows-d", "rows-e"]
    a, b, c = np.asarray(found, dtype=np.float32)
    assert np.array_equal(a, c)
    assert not np.array_equal(a, b)
    assert a.any()


def test_it_is_a_table_and_an_array(out: Path) -> None:
    found = mm.features(str(out), "image")
    table = found.to_arrow()
    assert table.column_names == ["key", "vector"]
    assert np.array_equal(np.stack(table["vector"].to_numpy()), found.vectors)
    frame = found.to_pandas()
    assert frame["key"].tolist() == found.keys
    assert np.array_equal(np.stack(frame["vector"]), np.asarray(found))
    assert repr(found) == (
        f"Vectors(image: 3 records, 2 without, {found.vectors.shape[1]} float16 each, by"
        " features.image)"
    )


def test_what_is_not_there_is_one_sentence(out: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no cached features of 'imgae'; did you mean 'image'\?"):
        mm.features(out, "imgae")
    with pytest.raises(InputError, match="no manifest here; wanted the output folder of a run"):
        mm.features(tmp_path, "image")
