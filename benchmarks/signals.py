"""What each signal costs: media measured in a CPU second for one signal alone, for all that are
measured unasked, and for all that there are.

Decoding is in every figure; what a signal takes beyond it stands beside it. ``DATA`` is the folder
that holds ``vqa_coco``, ``esc50_sample``, ``grid_s1`` and ``sms_spam``; sets that are not there are
left out. The variants take turns, and the median of their times is shown.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from _common import print_table, print_versions
from modalmill.schemas.errors import ModalmillError
from modalmill.schemas.record import Part
from modalmill.stages.measure.measurements import units_wanted
from modalmill.stages.modality import modality, on_disk
from modalmill.stages.signal import LIKENESS, measured_anyway, numbers_of, signals_of, tracks_of

MEDIA = {
    "image": ("vqa_coco", "Images/**/*.jpg"),
    "audio": ("esc50_sample", "audio/*.wav"),
    "video": ("grid_s1", "s1/*.mpg"),
}
TEXTS = ("sms_spam", "spam.csv")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--most", type=int, default=100, help="media of each set at most")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each variant")
    given = parser.parse_args()
    for kind, (folder, pattern) in MEDIA.items():
        paths = sorted((given.data / folder).glob(pattern))[: given.most]
        if paths:
            title = f"{kind}: {len(paths)} of {folder}"
            rows(title, len(paths), of_media(kind, paths), given.repeats)
    path = given.data / TEXTS[0] / TEXTS[1]
    if path.is_file():
        with path.open(encoding="latin-1", newline="") as file:
            texts = [row[1] for row in itertools.islice(csv.reader(file), 1, None)]
        rows(f"text: {len(texts)} of {TEXTS[0]}", len(texts), of_texts(texts), given.repeats)
    print_versions("numpy", "opencv-python-headless", "av", "soundfile")


def of_media(kind: str, paths: list[Path]) -> dict[str, Callable[[], None]]:
    """What is measured of media, by name."""
    can_be_measured = [name for name in signals_of(kind) if is_ready(kind, name)]
    variants: dict[str, Iterable[str]] = {
        "decoded to the end": (),
        **{name: (name,) for name in can_be_measured},
        "all unasked": measured_anyway(kind),
        "all": can_be_measured,
        "all, and the likeness": [*can_be_measured, LIKENESS],
    }
    if measured_anyway(kind) == set(can_be_measured):
        del variants["all"]
    return {name: measuring(kind, paths, names) for name, names in variants.items()}


def is_ready(kind: str, name: str) -> bool:
    try:
        modality(kind).check_request(name, name)
    except ModalmillError:
        return False
    return True


def measuring(kind: str, paths: list[Path], names: Iterable[str]) -> Callable[[], None]:
    """A look at all of the media for these signals: the pass, and the numbers of the whole that
    stand on tracks.
    """
    wanted = frozenset(units_wanted(on_disk(kind), names, {}))
    on_tracks = {name for name in names if name != LIKENESS and signals_of(kind)[name].tracks}
    # every stretch stands on what tells when
    clock = {track.unit for track in tracks_of(kind).values() if track.name in ("levels", "time")}

    def measure() -> None:
        for path in paths:
            measured = on_disk(kind).measured(
                path.parent, Part(kind, uri=path.name), wanted | clock if on_tracks else wanted
            )
            found = measured["found"]
            assert not found.failed, found.failed
            if on_tracks:
                tracks = {
                    name: track for own in found.tracks.values() for name, track in own.items()
                }
                part = Part(kind, uri=path.name, duration_s=measured["duration_s"])
                failed: dict[str, str] = {}
                numbers_of(kind, on_disk(kind).stretch(part, tracks), on_tracks, failed)
                assert not failed, failed

    return measure


def of_texts(texts: list[str]) -> dict[str, Callable[[], None]]:
    def measuring(names: Iterable[str]) -> Callable[[], None]:
        def measure() -> None:
            for text in texts:
                numbers_of("text", text, names, {})

        return measure

    own = [name for name in signals_of("text") if is_ready("text", name)]
    return {
        "none": measuring(()),
        **{name: measuring((name,)) for name in own},
        **by_datatrove(texts),
        "all": measuring(own),
    }


def by_datatrove(texts: list[str]) -> dict[str, Callable[[], None]]:
    """What DataTrove takes for Gopher's numbers, its own words of spaCy included; no limit is ever
    reached, so that all of them are reckoned.
    """
    try:
        from datatrove.data import Document
        from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
    except ImportError:
        return {}
    never = 1e9
    repetition = GopherRepetitionFilter(
        never,
        never,
        never,
        never,
        tuple((length, never) for length in (2, 3, 4)),
        tuple((length, never) for length in range(5, 11)),
    )
    quality = GopherQualityFilter(0, None, 0, None, never, never, never, None, 0)
    documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]

    def judging(judge: object) -> Callable[[], None]:
        def measure() -> None:
            for document in documents:
                judge.filter(document)

        return measure

    return {
        "DataTrove, GopherRepetitionFilter": judging(repetition),
        "DataTrove, GopherQualityFilter": judging(quality),
    }


def rows(title: str, count: int, variants: dict[str, Callable[[], None]], repeats: int) -> None:
    """One table: the first variant is what the others are held against."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    next(reversed(variants.values()))()  # imports, and the files into the cache of the disk
    for turn in range(repeats):
        print(f"{title}: {turn + 1}/{repeats}", file=sys.stderr, flush=True)
        for name, measure in variants.items():
            began = time.process_time()
            measure()
            seconds[name].append(time.process_time() - began)
    each = {name: statistics.median(own) / count for name, own in seconds.items()}
    nothing = next(iter(each.values()))
    print_table(
        [title, "a CPU second", "ms each", "ms beyond the first"],
        [
            [name, f"{1 / own:,.0f}", f"{1000 * own:.3f}", f"{1000 * (own - nothing):+.3f}"]
            for name, own in each.items()
        ],
    )
    print()


if __name__ == "__main__":
    main()
