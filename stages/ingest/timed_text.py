"""A folder of timed text (.srt, .vtt, .align), to be joined with media of another source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...schemas.contents import Contents
from ...schemas.errors import DamageError
from ...schemas.manifest import Row
from ...schemas.record import Fault, Origin, Part, Record, make_key
from ..base import Beat, Noted, Read, Source
from ..media.files import locate
from ._cues import SUFFIXES, read_cues
from ._files import Listing, join


@dataclass(frozen=True, kw_only=True)
class TimedText(Source):
    """One text part with its times for each file; the id is the file's path below ``path`` without
    its ending.

    path: the folder, below ``base``.
    base: a folder below the data root that all paths of this source begin with.
    part: the name of the text part.
    """

    path: str
    base: str = ""
    part: str = "text"

    def paths(self) -> list[str]:
        return [join(self.base, self.path)]

    def contents(self) -> Contents:
        return Contents({self.part: "text"})

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        folder = join(self.base, self.path)
        listing = Listing(root, folder, SUFFIXES)
        told: Counter[str] = Counter()
        for uri in listing:
            tally["files"] += 1
            identity = str(PurePosixPath(uri).relative_to(folder).with_suffix(""))
            key = make_key(name, identity)
            record = Record(key, key, Origin(name, uri, None, identity))
            try:
                beat(uri)
                cues = read_cues(locate(root, uri), told)
            except DamageError as error:
                yield Row(record, Fault(error.rule, message=error.message))
                continue
            yield Row(
                record.with_part(
                    self.part, Part("text", text=" ".join(cue.text for cue in cues), cues=cues)
                )
            )
        yield from (Noted(what, count) for what, count in sorted(told.items()))
        yield from listing.rejects(name, tally)
