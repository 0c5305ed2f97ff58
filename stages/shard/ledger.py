"""The ledger of sharding: which bytes of which tar came from which piece, so that the next run
writes only what has changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from ...schemas.account import Count
from ...schemas.disk import stamp_of, write_json
from ...schemas.fingerprint import hash_bytes, hash_file
from ...schemas.index import SET_FILE, ShardSet
from ...schemas.rejects import FaultRow

_FILE = "ledger.json"


class TarState(NamedTuple):
    """A file of the set as it was left: its stamp, and its checksum."""

    stamp: list[int] | None
    xxh3: str


class PlaceInTar(NamedTuple):
    """Where the bytes of a piece went."""

    tar: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What a finished set came from, for the next run.

    request: fingerprint of all that was asked; None where the set is no longer whole. samples,
    count, faults: what the run said. tars: the files of the set. places: by piece.
    """

    request: str | None = None
    samples: int = 0
    count: Count = field(default_factory=lambda: Count("shard"))
    faults: list[FaultRow] = field(default_factory=list)
    tars: Mapping[str, TarState] = field(default_factory=dict)
    places: Mapping[str, PlaceInTar] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """As the file has it."""
        return cls(
            request=value["request"],
            samples=value["samples"],
            count=Count.from_dict("shard", value["count"]),
            faults=value["faults"],
            tars={name: TarState(*state) for name, state in value["tars"].items()},
            places={stem: PlaceInTar(*place) for stem, place in value.get("places", {}).items()},
        )

    def to_dict(self) -> dict[str, object]:
        """As the file has it."""
        return {
            "request": self.request,
            "samples": self.samples,
            "count": self.count.to_dict(),
            "faults": self.faults,
            "tars": self.tars,
            "places": self.places,
        }

    def write(self, work: Path) -> None:
        """Write ``ledger.json`` into a folder."""
        write_json(work / _FILE, self.to_dict())


def read_ledger(work: Path, folder: Path) -> Ledger:
    """The ledger of the run before, less the tars that are not as it left them. One with other
    times (a copy) is read and compared.
    """
    try:
        ledger = Ledger.from_dict(json.loads((work / _FILE).read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # none, or one that another version wrote: everything is written anew
        return Ledger()
    whole = {name: tar for name, tar in ledger.tars.items() if _is_as_left(folder / name, tar)}
    # a set that is no longer whole: its other tars are still of use
    request = ledger.request if len(whole) == len(ledger.tars) else None
    return replace(ledger, request=request, tars=whole)


def _is_as_left(path: Path, tar: TarState) -> bool:
    if tar.stamp is None or not path.is_file():
        return False
    return stamp_of(path) == tar.stamp or (
        path.stat().st_size == tar.stamp[0] and hash_file(path) == tar.xxh3
    )


def states_of(shards: ShardSet, folder: Path) -> dict[str, TarState]:
    """Stamp and checksum of every file of a set."""
    sums = {SET_FILE: hash_bytes(shards.to_json().encode())}
    for shard in shards.shards:
        sums |= {f"{shard.name}.tar": shard.xxh3, f"{shard.name}.arrow": shard.index_xxh3}
    return {name: TarState(stamp_of(folder / name), xxh3) for name, xxh3 in sums.items()}
