"""How often align.sync is confident of an offset between sound and film, how often it is right
then, and how often it is confident where sound and film do not belong together.

``DATA`` holds ``grid_s1`` (36 clips of 3 s of a talker). Each corpus is 32 of them in four groups
of eight (24 s), each group with an offset of its own from -0.5 to 0.5 s:

    shifted      sound and film of a clip, put into one file with that offset, packets as they were
    swapped      each film with the shifted sound of another clip of its group
    foreign      each film of two groups with the shifted sound of a clip of the two other groups
    noise        white noise for sounds, of the same levels in 3 s as a clip
    still        films of one picture of the clip with the noise of a camera
    mixed        two groups are shifted and two are foreign; the foreign ones are counted

Every corpus goes through the pipeline; a pool counts once. Each kind of clip is measured once, and
kept. Long films: 20 or 36 clips one after the other, each film by itself, in step but for an
offset, with a drift of a millisecond a second, and each clip with the sound of the next (swapped).

``mdn_video``: seven films of figures that stand on a table, by a camera that moves, as one pool;
what is heard is not what moves, and unknown is right.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import soundfile
from _common import print_table, print_versions, work_folder
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.manifest import read_manifest
from modalmill.schemas.recipe import Recipe
from modalmill.stages.media import audio

KINDS = ("shifted", "swapped", "foreign", "mixed", "noise", "still")
CLIPS, GROUPS, IN_GROUP = 36, 4, 8
CLIP_S = 3.0
SHIFTS_S = np.arange(-10, 11) * 0.05
CLOSE_S = 0.041
RATE_HZ = 44_100


def with_offset(source: Path, target: Path, offset_s: float) -> Path:
    """The film with its sound that much later, packets as they were."""
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(source)) as film, av.open(str(target), "w", format="matroska") as out:
        streams = {
            stream.index: out.add_stream_from_template(stream)
            for stream in (film.streams.video[0], film.streams.audio[0])
        }
        packets = []
        for packet in film.demux(film.streams.video[0], film.streams.audio[0]):
            if packet.dts is None or packet.pts is None:
                continue
            # both are a second later, so that none begins before 0
            late = 1.0 + (offset_s if packet.stream.type == "audio" else 0.0)
            packet.pts += round(late / packet.time_base)
            packet.dts += round(late / packet.time_base)
            packets.append((float(packet.dts * packet.time_base), len(packets), packet))
        for _, _, packet in sorted(packets, key=lambda entry: entry[:2]):
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
    return target


def noise(source: Path, target: Path) -> Path:
    """White noise in the place of a clip's sound."""
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(int.from_bytes(source.stem.encode()))
        soundfile.write(target, random.normal(0, 0.1, 3 * RATE_HZ).clip(-1, 1), RATE_HZ)
    return target


def still(source: Path, target: Path) -> Path:
    """A film of the first picture of a clip, with the noise of a camera."""
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(source)) as film:
        picture = next(film.decode(video=0)).to_ndarray(format="rgb24").astype(np.float32)
    random = np.random.default_rng(int.from_bytes(source.stem.encode()))
    with av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv420p"
        for _ in range(75):
            noisy = (picture + random.normal(0, 3, picture.shape)).clip(0, 255).astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, "rgb24")))
        out.mux(stream.encode(None))
    return target


def long_film(clips: Sequence[Path], target: Path) -> None:
    """The pictures of some clips one after the other, packets as they were."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(target), "w", format="matroska") as out:
        stream = None
        for number, clip in enumerate(clips):
            with av.open(str(clip)) as film:
                stream = stream or out.add_stream_from_template(film.streams.video[0])
                for packet in film.demux(film.streams.video[0]):
                    if packet.dts is not None and packet.pts is not None:
                        late = round(number * CLIP_S / packet.time_base)
                        packet.pts, packet.dts = packet.pts + late, packet.dts + late
                        packet.stream = stream
                        out.mux(packet)


def long_sound(clips: Sequence[Path], target: Path, offset_s: float, drift: float) -> None:
    """Their sounds, that much later in the middle, and each later than the one before by the
    drift.
    """
    whole = np.zeros(round((len(clips) * CLIP_S + 2) * RATE_HZ), np.float32)
    for number, clip in enumerate(clips):
        sound = audio.decode(clip).mono(RATE_HZ)
        late = offset_s + drift * (number + 0.5 - len(clips) / 2) * CLIP_S
        first = round((number * CLIP_S + late) * RATE_HZ)
        sound = sound[max(0, -first) :]
        whole[max(0, first) :][: len(sound)] = sound
    soundfile.write(target, whole[: round(len(clips) * CLIP_S * RATE_HZ)], RATE_HZ)


def of_long_films(grid: Path, work: Path, films: int) -> list[list[str]]:
    """Films of 60 and of 108 s, each by itself: rows of the table."""
    random = np.random.default_rng(1)
    clips = sorted((grid / "s1").glob("*.mpg"))
    root, planted = work / "long", []
    for number, (count, drift, _) in enumerate(
        itertools.product((20, 36), (0.0, 1e-3, None), range(films))
    ):
        order = [clips[place] for place in random.permutation(CLIPS)[:count]]
        offset = float(random.choice(SHIFTS_S))
        long_film(order, root / f"{number}.mkv")
        heard = order if drift is not None else order[1:] + order[:1]
        long_sound(heard, root / f"{number}.wav", offset, drift or 0.0)
        planted.append((count, drift, offset))
    lines = [f"{number},{number}.mkv,{number}.wav" for number in range(len(planted))]
    (root / "rows.csv").write_text("\n".join(["id,film,sound", *lines]))
    begin = time.perf_counter()
    table = through(root, work / "long-out", "record")
    each_s = (time.perf_counter() - begin) / len(planted)
    rows = []
    for kind in dict.fromkeys((count, drift) for count, drift, _ in planted):
        found = [
            (table[number].get("sync_offset_s"), table[number].get("sync_drift") or 0.0, offset)
            for number, (count, drift, offset) in enumerate(planted)
            if (count, drift) == kind
        ]
        sure = [each for each in found if each[0] is not None]
        close = sum(abs(each - offset) <= CLOSE_S for each, _, offset in sure)
        slopes = [1e6 * drift for _, drift, _ in sure]
        name = "swapped" if kind[1] is None else f"drift of {1e6 * kind[1]:.0f} us a s"
        rows.append(
            [
                f"{kind[0] * CLIP_S:.0f} s, {name}",
                str(len(found)),
                f"{100 * len(sure) / len(found):.0f} %",
                f"{100 * close / len(sure):.0f} %" if sure and kind[1] is not None else "-",
                " ".join(f"{slope:.0f}" for slope in np.quantile(slopes, (0.1, 0.5, 0.9)))
                if sure
                else "-",
                f"{each_s:.2f}",
            ]
        )
    return rows


def through(root: Path, out: Path, pool: str) -> list[dict[str, float | None]]:
    """The signals of align.sync of each record of ``rows.csv``, by id."""
    recipe = Recipe.model_validate(
        {
            "name": "bench",
            "data": str(root),
            "sources": {
                "clips": {
                    "type": "csv",
                    "path": "rows.csv",
                    "id": "{id}",
                    **({"group": "{pool}"} if pool == "group" else {}),
                    "media": {
                        "film": {"path": "{film}", "modality": "video"},
                        "sound": {"path": "{sound}", "modality": "audio"},
                    },
                }
            },
            "stages": [{"align.sync": {"video": "film", "audio": "sound", "pool": pool}}],
        }
    )
    run(make_plan(recipe, root, "manifest"), out, "serial", 1)
    rows = read_manifest(out).to_pylist()
    rows.sort(key=lambda row: int(row["origin"]["id"]))
    prefix = "sound.sync_"
    return [
        {name.removeprefix("sound."): row[name] for name in row if name.startswith(prefix)}
        for row in rows
    ]


class Corpora:
    """Corpora of clips of GRID, drawn at random, in one folder."""

    def __init__(self, grid: Path, work: Path) -> None:
        self._clips = sorted((grid / "s1").glob("*.mpg"))
        self._root = work / "data"
        self._out = work / "out"
        self.seconds = 0.0

    def rows(self, kind: str, number: int) -> Iterator[tuple[str, Path, Path, float]]:
        """Group, film, sound and offset of each record of a corpus."""
        random = np.random.default_rng([number, len(kind), *kind.encode()])
        clips = random.permutation(CLIPS)[: GROUPS * IN_GROUP].reshape(GROUPS, IN_GROUP)
        shifts = random.choice(SHIFTS_S, GROUPS)
        for group, (own, shift) in enumerate(zip(clips, shifts, strict=True)):
            heard = own
            if kind in ("noise", "still"):  # other pairs in each corpus
                heard = random.permutation(own)
            elif kind == "swapped":
                heard = np.roll(own, 1)
            elif kind in ("foreign", "mixed"):
                is_foreign = kind == "foreign" or group >= GROUPS // 2
                heard = clips[(group + GROUPS // 2) % GROUPS] if is_foreign else own
            for seen, other in zip(own, heard, strict=True):
                film, sound = self._clips[seen], self._shifted(other, shift)
                if kind == "shifted" or (kind == "mixed" and group < GROUPS // 2):
                    film = sound
                elif kind == "noise":
                    sound = noise(sound, self._root / "noise" / f"{sound.stem}.wav")
                elif kind == "still":
                    film = still(film, self._root / "still" / f"{film.stem}.mp4")
                yield f"g{group}", film, sound, shift

    def _shifted(self, clip: int, shift: float) -> Path:
        source = self._clips[clip]
        return with_offset(source, self._root / f"{shift:+.2f}" / f"{source.stem}.mkv", shift)

    def decided(self, kind: str, number: int) -> Iterator[tuple[float, float | None]]:
        """The offset of each pool of a corpus, and the one that is found, None where unknown."""
        rows = list(self.rows(kind, number))
        for source in self._clips:
            link = self._root / "clips" / source.name
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.write_bytes(source.read_bytes())
        with open(self._root / "rows.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "pool", "film", "sound"))
            for place, (group, film, sound, _) in enumerate(rows):
                writer.writerow((place, group, *map(self._uri, (film, sound))))
        begin = time.perf_counter()
        found = through(self._root, self._out, "group")
        self.seconds += time.perf_counter() - begin
        for group in range(GROUPS):
            if kind != "mixed" or group >= GROUPS // 2:
                row = next(place for place, own in enumerate(rows) if own[0] == f"g{group}")
                yield rows[row][3], found[row].get("sync_offset_s")

    def _uri(self, path: Path) -> str:
        inside = self._root in path.parents
        return str(path.relative_to(self._root)) if inside else f"clips/{path.name}"


def of_mdn(folder: Path, work: Path) -> str:
    """What is said of the films of mdn_video, taken as one pool."""
    films = {"type": "video_folder", "path": "videos", "part": "film", "sound": "sound"}
    recipe = Recipe.model_validate(
        {
            "name": "bench",
            "data": str(folder),
            "sources": {"films": {**films, "group": "{folder}"}},
            "stages": [{"align.sync": {"video": "film", "audio": "sound"}}],
        }
    )
    result = run(make_plan(recipe, folder, "manifest"), work / "mdn", "serial", 1)
    table = read_manifest(work / "mdn")
    found = [
        f"{name.rpartition('.')[2]} {table[name][0].as_py():.3f}"
        for name in table.column_names
        if ".sync_" in name
    ]
    notes = result.account.to_dict()["stages"]["align.sync"]["notes"]
    return f"mdn_video, one pool: {', '.join(found)}; {notes}"


def main() -> None:
    """Run all corpora and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder with grid_s1 and mdn_video")
    parser.add_argument("--corpora", type=int, default=50, help="of each kind (default: 50)")
    parser.add_argument(
        "--long", type=int, default=10, help="long films of each kind (default: 10)"
    )
    parser.add_argument("--work", type=Path, help="folder for inputs and outputs, kept")
    options = parser.parse_args()
    rows = []
    with work_folder(options.work) as work:
        corpora = Corpora(options.data / "grid_s1", work)
        for kind in KINDS:
            corpora.seconds = 0.0
            decided = [
                each for number in range(options.corpora) for each in corpora.decided(kind, number)
            ]
            sure = [(shift, found) for shift, found in decided if found is not None]
            close = sum(abs(found - shift) <= CLOSE_S for shift, found in sure)
            has_answer = kind == "shifted" and sure
            error = np.median([found - shift for shift, found in sure]) if has_answer else 0.0
            rows.append(
                [
                    kind,
                    f"{len(decided)}",
                    f"{100 * len(sure) / len(decided):.1f} %",
                    f"{100 * close / len(sure):.1f} %" if has_answer else "-",
                    f"{error:+.3f}" if has_answer else "-",
                    f"{corpora.seconds / options.corpora:.2f}",
                ]
            )
            print(rows[-1], file=sys.stderr, flush=True)
        long = of_long_films(options.data / "grid_s1", work, options.long)
        mdn = options.data / "mdn_video"
        told = of_mdn(mdn, work) if mdn.is_dir() else "mdn_video: not there"
    head = ["sound and film", "pools", "confident", "of these within 40 ms", "median error, s"]
    head.append("s a corpus")
    print_table(head, rows)
    print()
    head = ["one film", "films", *head[2:4], "drift told, us a s: 10 %, median, 90 %", "s a film"]
    print_table(head, long)
    print(f"\n{told}")
    print_versions("numpy", "av", "pyarrow")


if __name__ == "__main__":
    main()
