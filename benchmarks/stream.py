"""Shards to batches of 64, against every loader people use, and the ceiling.

Each row is a fresh process: ``loaders/with_NAME.py`` opens the data, starts its workers and reads
whole epochs. "epoch": samples a second from before opening to the last batch. "later": the same
from the first batch on. Every loader reads files that its own writer made of the same pictures;
they are in the page cache, or with ``--cold`` on the disk alone. modalmill and all peers but
webdataset shuffle the whole epoch; webdataset reads in order, which is the cheapest for it.

Peers with needs of their own run under pythons of their own: ``loaders/setup.sh FOLDER`` makes
them, ``--peers FOLDER`` uses them; without it only webdataset, the plain folder and modalmill are
measured.
"""

from __future__ import annotations

import csv
import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import soundfile
from _common import (
    Figures,
    arguments,
    fresh,
    in_turn,
    made_once,
    modalmill,
    print_table,
    print_versions,
    pss_mib,
    read_all,
    use_cores,
    work_folder,
    write_jpegs,
    write_recipe,
)

LOADERS = Path(__file__).parent / "loaders"
PEERS = {
    "folder": "",
    "webdataset": "",
    "litdata": "venv",
    "datasets": "venv",
    "spdl": "venv",
    "mosaic": "venv-mosaic",
}
DIMS = 512


def make(folder: Path, count: int) -> None:
    """Pictures, vectors, sounds, clips, and records of several parts, as files and as modalmill's
    shards.
    """
    from modalmill.schemas.disk import write_table

    (folder / "source").mkdir()
    write_jpegs(folder / "source", count, 341, 256, 95, 0.5)
    _shards(
        folder,
        "images",
        {"photos": {"type": "image_folder", "path": "../source"}},
        data=folder / "source",
        path=".",
    )
    vectors = np.random.default_rng(7).standard_normal((50_000, DIMS)).astype(np.float16)
    np.save(folder / "vectors.npy", vectors)
    (folder / "vectors").mkdir()
    _csv(
        folder / "vectors" / "texts.csv",
        ["id", "text"],
        [[number, f"the text of row {number}"] for number in range(len(vectors))],
    )
    _shards(
        folder,
        "vectors",
        {"texts": {"type": "csv", "path": "texts.csv", "id": "{id}", "text": {"text": "text"}}},
    )
    keys = pa.array([str(number) for number in range(len(vectors))])
    features = folder / "vectors" / "out" / "features"
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIMS)
    write_table(
        features / "text.arrow",
        pa.table({"id": keys, "vector": column}),
        rows_per_batch=len(vectors),
    )
    write_table(
        features / "text.keys.arrow",
        pa.table(
            {
                "key": pa.array([f"texts/{key}" for key in keys.to_pylist()]),
                "row": pa.array(range(len(keys)), pa.int64()),
            }
        ),
    )
    _sounds(folder / "sound", count // 8)
    _shards(
        folder,
        "sound",
        {"sounds": {"type": "audio_folder", "path": ".", "id": "{stem}"}},
        data=folder / "sound" / "raw",
        path=".",
    )
    _clips(folder, count // 40)
    _shards(
        folder,
        "frames",
        {"films": {"type": "video_folder", "path": "."}},
        data=folder / "frames" / "raw",
    )
    _mixed(folder, count // 4)


def _shards(
    folder: Path,
    name: str,
    sources: dict[str, dict[str, object]],
    data: Path | None = None,
    path: str | None = None,
) -> None:
    for source in sources.values():
        source.update({"path": path} if path else {})
    (folder / name).mkdir(exist_ok=True)
    recipe = write_recipe(
        folder / name / "recipe.yaml",
        data or folder / name,
        sources,
        shard={"shard_bytes": 16 << 20},
    )
    modalmill(recipe, folder / name / "out")


def _csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def _noise(random: np.random.Generator, rate_hz: int) -> np.ndarray:
    """5 s of filtered noise, so that FLAC has something to do."""
    return np.clip(
        0.1 * np.cumsum(random.standard_normal(5 * rate_hz)) / 20 % 2 - 0.1, -1, 1
    ).astype(np.float32)


def _sounds(folder: Path, count: int) -> None:
    """Half WAV of 16 kHz, half FLAC of 44.1 kHz."""
    (folder / "raw").mkdir(parents=True)
    random = np.random.default_rng(7)
    for number in range(count):
        rate, ending = (16_000, "wav") if number % 2 else (44_100, "flac")
        soundfile.write(
            folder / "raw" / f"{number:06d}.{ending}", _noise(random, rate), rate, subtype="PCM_16"
        )


def _clips(folder: Path, count: int) -> None:
    """H.264 clips of 2 s at 128 x 128: as files for modalmill to store frames of, and as they are
    in eight tars of webdataset's.
    """
    import av
    import webdataset

    (folder / "frames" / "raw").mkdir(parents=True)
    (folder / "clips").mkdir()
    random = np.random.default_rng(7)
    for number in range(count):
        with av.open(str(folder / "frames" / "raw" / f"{number:06d}.mp4"), "w") as container:
            pictures = container.add_stream("libx264", rate=25, options={"g": "25"})
            pictures.width = pictures.height = 128
            pictures.pix_fmt = "yuv420p"
            canvas = cv2.resize(
                random.integers(0, 256, (20, 20, 3), np.uint8),
                (256, 256),
                interpolation=cv2.INTER_CUBIC,
            )
            for at in range(50):
                container.mux(
                    pictures.encode(
                        av.VideoFrame.from_ndarray(
                            np.ascontiguousarray(canvas[at : at + 128, at : at + 128]),
                            format="rgb24",
                        )
                    )
                )
            container.mux(pictures.encode(None))
    paths = sorted((folder / "frames" / "raw").iterdir())
    for number in range(8):
        with webdataset.TarWriter(str(folder / "clips" / f"{number:06d}.tar")) as tar:
            for path in paths[number::8]:
                tar.write({"__key__": path.stem, "mp4": path.read_bytes()})


def _mixed(folder: Path, count: int) -> None:
    """A text in every record, an image in two of three, a sound in two of three."""
    (folder / "mixed" / "sounds").mkdir(parents=True)
    (folder / "mixed" / "images").mkdir()
    random = np.random.default_rng(7)
    rows: list[list[object]] = []
    for number in range(count):
        image, sound = "", ""
        if number % 3 != 1:
            image = f"images/{number:06d}.jpg"
            os.link(folder / "source" / f"{number:06d}.jpg", folder / "mixed" / image)
        if number % 3 != 2:
            sound = f"sounds/{number:06d}.wav"
            soundfile.write(
                folder / "mixed" / sound, _noise(random, 16_000), 16_000, subtype="PCM_16"
            )
        rows.append([number, f"the text of row {number}", image, sound])
    _csv(folder / "mixed" / "table.csv", ["id", "text", "image", "sound"], rows)
    source = {
        "type": "csv",
        "path": "table.csv",
        "id": "{id}",
        "text": {"text": "text"},
        "media": {"image": {"path": "{image}"}, "sound": {"path": "{sound}"}},
    }
    _shards(folder, "mixed", {"rows": source})


class Bench:
    """Runs loaders, each under its own python."""

    def __init__(
        self, folder: Path, cores: int, epochs: int, peers: Path | None, cold: bool
    ) -> None:
        self.folder, self.cores, self.epochs, self.cold = folder, cores, epochs, cold
        self.peers = peers
        self.pythons = {
            name: sys.executable if not where else str(peers / where / "bin" / "python")
            for name, where in PEERS.items()
            if peers or not where
        }

    def command(self, name: str, kind: str, *more: str) -> list[str]:
        """The command line of one loader."""
        return [
            self.pythons.get(name, sys.executable),
            str(LOADERS / f"with_{name}.py"),
            kind,
            str(self.folder),
            "--workers",
            str(self.cores),
            *more,
        ]

    def environment(self) -> dict[str, str]:
        """Caches of the peers below the benchmark's folder, and no look at any network."""
        cache = self.folder.parent / "tmp"
        names = (
            "HF_HOME",
            "LITDATA_CACHE_DIR",
            "DATA_OPTIMIZER_CACHE_FOLDER",
            "DATA_OPTIMIZER_DATA_CACHE_FOLDER",
        )
        found = {
            "PYTHONWARNINGS": "ignore",
            "HF_HUB_OFFLINE": "1",
            **{name: str(cache / name.lower()) for name in names},
        }
        if self.native_spdl:
            found["LD_LIBRARY_PATH"] = ":".join(str(folder) for folder in self.native_spdl)
        return found

    @property
    def native_spdl(self) -> list[Path]:
        """Folders of the FFmpeg libraries that SPDL's own decoder needs, where there are any."""
        return (
            []
            if self.peers is None
            else [
                *self.peers.glob("ffmpeg8"),
                *self.peers.glob("venv/lib/python*/site-packages/av.libs"),
            ]
        )

    def run(
        self, name: str, kind: str, option: str = "", hold: float = 0.0, epochs: int | None = None
    ) -> Figures:
        """One measurement."""
        if self.cold:
            drop_cache(self.folder)
        if name == "ceiling":
            return fresh(
                [sys.executable, LOADERS / "ceiling.py", kind, self.folder, str(self.cores)]
            )
        more = ["--option", option, "--hold", str(hold), "--epochs", str(epochs or self.epochs)]
        return fresh(self.command(name, kind, *more), **self.environment())

    def prepare(self) -> None:
        """Let every peer write its own files."""
        for name in self.pythons:
            target = self.folder / name
            if name != "folder" and not (target / "done").exists():
                fresh(self.command(name, "prepare"), **self.environment())
                target.mkdir(exist_ok=True)
                (target / "done").touch()


def drop_cache(folder: Path) -> None:
    """Take the files of a folder out of the page cache."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def table(
    bench: Bench,
    title: str,
    rows: dict[str, tuple[str, str, str]],
    repeats: int,
    hold: float = 0.0,
    epochs: int | None = None,
) -> dict[str, Figures]:
    """Measure the rows (title -> loader, kind, option) in turn and print them beside the first."""
    variants: dict[str, Callable[[], Figures]] = {}
    for label, (name, kind, option) in rows.items():
        variants[label] = functools.partial(
            bench.run, name, kind, option, hold if name != "ceiling" else 0.0, epochs
        )
    found = in_turn(variants, repeats)
    own = next(iter(found.values()))
    lines = [
        [
            label,
            f"{figures['rate']:,.0f}",
            f"{figures['later']:,.0f}",
            f"{figures['first_s']:.2f}" if figures["first_s"] else "-",
            f"{own['rate'] / figures['rate']:.2f}",
            f"{own['later'] / figures['later']:.2f}",
        ]
        for label, figures in found.items()
    ]
    print_table(
        [title, "samples/s, epoch", "later", "first batch s", "modalmill / this, epoch", "later"],
        lines,
    )
    print(flush=True)
    return found


def peers_of(bench: Bench, kind: str, what: str) -> dict[str, tuple[str, str, str]]:
    """A row for every loader that is there."""
    names = {
        "folder": "files in a folder + DataLoader",
        "datasets": "Hugging Face datasets",
        "mosaic": "mosaicml-streaming",
        "spdl": "SPDL",
    }
    end = f", {what}" if what else ""
    rows = {f"modalmill{end}": ("modalmill", kind, "")}
    rows |= {f"{names.get(name, name)}{end}": (name, kind, "") for name in bench.pythons}
    return rows


def main() -> None:
    parser = arguments(__doc__, "pictures", 8000)
    parser.add_argument(
        "--epochs", type=int, default=1, help="epochs of each run (default: %(default)s)"
    )
    parser.add_argument("--peers", type=Path, help="folder that loaders/setup.sh filled")
    parser.add_argument(
        "--cold", action="store_true", help="take the files out of the page cache before each run"
    )
    parser.add_argument("--only", choices=list(TABLES), nargs="+", default=list(TABLES))
    options = parser.parse_args()
    use_cores(options.cores)
    with work_folder(options.work) as work:
        os.environ["TMPDIR"] = tempfile.tempdir = str(made_once(work / "tmp", lambda folder: None))
        folder = made_once(
            work / f"stream-{options.size}", functools.partial(make, count=options.size)
        )
        bench = Bench(folder, options.cores, options.epochs, options.peers, options.cold)
        bench.prepare()
        read_all(folder)
        for name in options.only:
            TABLES[name](bench, options.repeats)
    print_versions(
        "torch",
        "webdataset",
        "simplejpeg",
        "opencv-python-headless",
        "soundfile",
        "soxr",
        "av",
        "pyarrow",
        "numpy",
    )


def images(bench: Bench, repeats: int) -> None:
    rows = peers_of(bench, "images", "simplejpeg, uint8")
    if bench.native_spdl:
        rows["SPDL, its own decoder (FFmpeg), uint8"] = ("spdl", "images", "native")
    rows["modalmill with processes, simplejpeg, uint8"] = ("modalmill", "images", "processes")
    rows["ceiling: simplejpeg and crop"] = ("ceiling", "images", "")
    table(bench, "random crops, uint8", rows, repeats)


def normalised(bench: Bench, repeats: int) -> None:
    rows = peers_of(bench, "normalised", "simplejpeg, float32")
    rows["webdataset as users write it: shuffle, cv2, float32"] = ("webdataset", "users", "")
    rows["ceiling: modalmill's decoding and normalising"] = ("ceiling", "normalised", "")
    found = table(bench, "random crops, float32 normalised", rows, repeats)
    users = found["webdataset as users write it: shuffle, cv2, float32"]
    plain = bench.run("modalmill", "images")
    print(
        "modalmill's default (uint8) / webdataset as users write it:"
        f" {plain['rate'] / users['rate']:.2f}\n",
        flush=True,
    )


def busy(bench: Bench, repeats: int) -> None:
    rows = {
        f"modalmill, {way}": ("modalmill", "images", way)
        for way in ("threads", "processes", "auto")
    }
    rows |= {name: (name, "images", "") for name in ("folder", "webdataset")}
    idle = in_turn(
        {label: functools.partial(bench.run, *row, 0.0, 4) for label, row in rows.items()}, repeats
    )
    lines = {label: [label, f"{figures['last_epoch']:,.0f}"] for label, figures in idle.items()}
    for hold in (0.5, 0.9):
        found = in_turn(
            {label: functools.partial(bench.run, *row, hold, 4) for label, row in rows.items()},
            repeats,
        )
        for label, figures in found.items():
            lines[label].append(f"{figures['last_epoch'] / idle[label]['last_epoch']:.2f}")
    print_table(
        [
            "fourth epoch, uint8 crops",
            "samples/s alone",
            "share kept, interpreter held 50 %",
            "90 %",
        ],
        lines.values(),
    )
    print(flush=True)


def step(bench: Bench, repeats: int) -> None:
    rows = {
        f"modalmill, {way}": ("modalmill", "step", way) for way in ("threads", "processes", "auto")
    }
    rows |= {name: (name, "step", "") for name in ("folder", "webdataset")}
    found = in_turn(
        {label: functools.partial(bench.run, *row) for label, row in rows.items()}, repeats
    )
    print_table(
        ["uint8 crops and a training step on the CPU", "samples/s", "share of the time in steps"],
        [
            [label, f"{figures['rate']:,.0f}", f"{figures['stepping']:.2f}"]
            for label, figures in found.items()
        ],
    )
    print(flush=True)


def raw(bench: Bench, repeats: int) -> None:
    rows = peers_of(bench, "bytes", "")
    rows["files in a folder, no workers"] = ("folder", "bytes", "main")
    rows["ceiling: pread at known places"] = ("ceiling", "bytes", "")
    table(bench, "bytes, not decoded", rows, repeats, epochs=4)


def features(bench: Bench, repeats: int) -> None:
    rows = peers_of(bench, "features", "")
    rows["memory-mapped .npy, no workers"] = ("folder", "features", "main")
    rows["ceiling: rows copied out of the map"] = ("ceiling", "features", "")
    table(bench, "vectors of 512 float16", rows, repeats, epochs=2)


def against_webdataset(kind: str, what: str, bench: Bench, repeats: int) -> None:
    rows = {"modalmill": ("modalmill", kind, ""), "webdataset": ("webdataset", kind, "")}
    if kind != "mixed":
        rows["ceiling: the decoder alone"] = ("ceiling", kind, "")
    table(bench, what, rows, repeats, epochs=4)


def memory(bench: Bench, repeats: int) -> None:
    """Most memory of all processes together, uint8 crops."""
    rows = {
        "modalmill, threads": ("modalmill", ""),
        "modalmill, processes": ("modalmill", "processes"),
        "webdataset": ("webdataset", ""),
    }
    found = {
        label: pss_mib(bench.command(name, "images", "--epochs", "3", "--option", option))
        for label, (name, option) in rows.items()
    }
    print_table(
        ["uint8 crops, three epochs", "peak MiB (PSS)"],
        [[label, f"{value:,.0f}"] for label, value in found.items()],
    )
    print(flush=True)


def slope(bench: Bench, repeats: int) -> None:
    """Resident memory after each of 20 epochs, in one process with two threads."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import with_modalmill as w; from pathlib"
        " import Path\n"
    )
    code += "epochs = w.opened('images', Path(sys.argv[2]), int(sys.argv[3]), '')\n"
    code += (
        "for _ in range(20):\n    for batch in epochs(): pass\n"
        "    print(int(Path('/proc/self/statm').read_text().split()[1]) / 256)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(LOADERS), str(bench.folder), str(bench.cores)],
        capture_output=True,
        text=True,
        check=True,
    )
    sizes = [float(line) for line in done.stdout.split()]
    drift = np.polyfit(range(5, 20), sizes[5:], 1)[0]
    print(
        f"resident MiB after each of 20 epochs: {' '.join(f'{size:.0f}' for size in sizes)};"
        f" slope from the sixth on {drift:+.2f} MiB an epoch\n",
        flush=True,
    )


def overhead(bench: Bench, repeats: int) -> None:
    """Microseconds a sample outside the decoder."""
    found = in_turn(
        {"": lambda: fresh([sys.executable, LOADERS / "overhead.py", bench.folder])}, repeats
    )[""]
    rest = found["stream_us"] - found["copying_us"]
    print(
        f"one thread, a decoder that takes no time: {found['stream_us']:.1f} us a sample,"
        f" {found['copying_us']:.1f} of them copying the crop",
        end="",
    )
    print(
        f"; {rest:.1f} us outside decoder and copy (reading, checksum of the first epoch left"
        " out, random numbers, batch)\n",
        flush=True,
    )


def resume(bench: Bench, repeats: int) -> None:
    """Time to the first batch after resuming far inside a large set."""
    found = in_turn(
        {"": lambda: fresh([sys.executable, LOADERS / "resume.py", bench.folder])}, repeats
    )[""]
    print(
        f"{found['records']:,.0f} records: first batch after {found['fresh_ms']:.1f} ms from the"
        " beginning",
        end=", ",
    )
    print(
        f"after {found['resumed_ms']:.1f} ms when resuming at record 10,000,000:"
        f" {found['resumed_ms'] / found['fresh_ms']:.2f} times\n",
        flush=True,
    )


TABLES: dict[str, Callable[[Bench, int], None]] = {
    "images": images,
    "normalised": normalised,
    "busy": busy,
    "step": step,
    "bytes": raw,
    "features": features,
    "sound": functools.partial(
        against_webdataset, "sound", "sound: 5 s WAV and FLAC -> 16 kHz float32"
    ),
    "frames": functools.partial(against_webdataset, "frames", "video: 8 stored frames"),
    "clips": functools.partial(against_webdataset, "clips", "video: 8 frames of 2 s of H.264"),
    "mixed": functools.partial(against_webdataset, "mixed", "text, image and sound, parts missing"),
    "overhead": overhead,
    "resume": resume,
    "memory": memory,
    "slope": slope,
}


if __name__ == "__main__":
    sys.exit(main())
