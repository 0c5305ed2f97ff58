"""The tars of a set for loops that are written for the webdataset library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...schemas.contents import names_of
from ...schemas.errors import InputError, nearest
from ...schemas.index import read_shard_set, shards_within

if TYPE_CHECKING:
    from webdataset import WebDataset


def as_webdataset(shards: str | Path, split: str | None = None, **options: object) -> WebDataset:
    """The samples of a set as ``webdataset.WebDataset`` gives them: dictionaries of the endings of
    their members, ``jpg``, ``txt``, ``json``, as bytes, in the order of the tars. They are samples
    of tars and no records: a picture with five questions comes once, its questions in ``json``.

    shards: the folder of a set, or of a run. split: as ``open_stream`` takes it, several as
    ``fold1+fold2``; all where it is None. options: those of ``webdataset.WebDataset``; tars are not
    shuffled where ``shardshuffle`` does not say so.

    Raises InputError where there is no set, or no such split.
    """
    import webdataset

    folder = shards_within(Path(shards))
    shard_set = read_shard_set(folder)
    known = sorted({shard.split for shard in shard_set.shards})
    wanted = known if split is None else names_of(split)
    for name in wanted:
        if name not in known:
            raise InputError(f"{folder}: no split is called {name!r}{nearest(name, known)}")
    tars = [
        str(folder / f"{shard.name}.tar") for shard in shard_set.shards if shard.split in wanted
    ]
    return webdataset.WebDataset(tars, **{"shardshuffle": False, **options})
