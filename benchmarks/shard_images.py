"""A folder of JPEGs (640x480, q90, about 70 kB) to WebDataset shards of short side 256, q95.

All ways but the last are whole processes, from start to exit, into a fresh folder of the same file
system, with their sources in the page cache. modalmill's time includes its manifest, account,
index, checksums and fsync. "kernel" is what decoding, scaling and encoding alone take by
modalmill's own functions in one process a core, without reading ahead or writing: once as a whole
process, once without its start.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

from _common import (
    Figures,
    arguments,
    child,
    fresh,
    in_turn,
    made_once,
    modalmill,
    print_table,
    print_versions,
    read_all,
    use_cores,
    work_folder,
    write_jpegs,
    write_recipe,
)

SHORT_SIDE, QUALITY = 256, 95


def convert_cv2(path: str) -> tuple[str, bytes]:
    """What a user's script does with a file."""
    import cv2
    import numpy as np

    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    height, width = pixels.shape[:2]
    factor = SHORT_SIDE / min(height, width)
    pixels = cv2.resize(
        pixels, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA
    )
    return Path(path).stem, cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[
        1
    ].tobytes()


def one_thread() -> None:
    """Keep OpenCV's own threads out of the pool's way."""
    import cv2

    cv2.setNumThreads(1)


def pool_script(images: Path, out: Path, cores: int) -> None:
    """A plain script: a pool converts, the main process writes."""
    import webdataset

    out.mkdir()
    paths = sorted(str(path) for path in images.iterdir())
    with (
        multiprocessing.Pool(cores, one_thread) as pool,
        webdataset.ShardWriter(str(out / "train-%06d.tar"), maxsize=100e6, verbose=0) as writer,
    ):
        for key, data in pool.imap(convert_cv2, paths, chunksize=16):
            writer.write({"__key__": key, "jpg": data})


def convert_kernel(paths: list[str]) -> tuple[float, float]:
    """modalmill's own decoding, scaling and encoding in a loop; when it began and ended."""
    from modalmill.stages.media.image import decode, encode_jpeg, scale_to

    began = time.monotonic()
    for path in paths:
        with open(path, "rb") as file:
            encode_jpeg(scale_to(decode(file.read(), SHORT_SIDE), SHORT_SIDE), QUALITY)
    return began, time.monotonic()


def kernel(images: Path, cores: int) -> None:
    """The ceiling: as many loops as cores, each over its share of the files."""
    paths = sorted(str(path) for path in images.iterdir())
    with multiprocessing.Pool(cores) as pool:
        spans = pool.map(
            convert_kernel, [paths[start::cores] for start in range(cores)], chunksize=1
        )
    print(json.dumps({"loop_s": max(end for _, end in spans) - min(began for began, _ in spans)}))


IMG2DATASET = """
import sys
from img2dataset import download
if __name__ == "__main__":
    urls, out, cores, size = sys.argv[1:]
    download(
        url_list=urls,
        input_format="txt",
        output_folder=out,
        output_format="webdataset",
        processes_count=int(cores),
        thread_count=4,
        image_size=256,
        resize_mode="keep_ratio",
        encode_quality=95,
        number_sample_per_shard=max(1, min(1000, int(size) // (2 * int(cores)))),
        enable_wandb=False,
    )
"""


def img2dataset_python(work: Path, given: Path | None) -> Path:
    """A Python that has img2dataset: the one given, or a new environment of its own (it wants old
    versions of webdataset and others).
    """
    if given is not None:
        return given.absolute()
    folder = work / "img2dataset-venv"
    python = folder / "bin" / "python"
    if not python.is_file():
        venv.create(folder, with_pip=True)
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "img2dataset"],
        check=True,
        capture_output=True,
        text=True,
    )
    return python


def run_img2dataset(python: Path, work: Path, images: Path, cores: int, size: int) -> Figures:
    """img2dataset on file:// addresses of the same files, and how many of them it wrote."""
    script, urls, out = work / "run_img2dataset.py", work / "urls.txt", work / "out-img2dataset"
    script.write_text(IMG2DATASET)
    urls.write_text("".join(f"file://{path}\n" for path in sorted(images.iterdir())))
    shutil.rmtree(out, ignore_errors=True)
    os.sync()
    figures = fresh(
        [python, script, urls, out, str(cores), str(size)], NO_ALBUMENTATIONS_UPDATE="1"
    )
    written = sum(json.loads(path.read_text())["successes"] for path in out.glob("*_stats.json"))
    if written != size:
        raise RuntimeError(f"img2dataset wrote {written} of {size} images")
    return figures


def main() -> None:
    parser = arguments(__doc__, "images", 6000)
    parser.add_argument(
        "--img2dataset",
        type=Path,
        metavar="PYTHON",
        help="a Python that has img2dataset; one is made where it is not given",
    )
    parser.add_argument(
        "--images",
        type=Path,
        help="a folder of your own JPEGs in place of synthetic ones; --size is then their number",
    )
    parser.add_argument("--out", type=Path, help="of a child")
    options = parser.parse_args()
    if options.child == "script":
        return pool_script(options.images, options.out, options.cores)
    if options.child == "kernel":
        return kernel(options.images, options.cores)
    use_cores(options.cores)
    with work_folder(options.work) as work:
        size = options.size if options.images is None else sum(1 for _ in options.images.iterdir())
        images = options.images or made_once(
            work / f"images-{size}",
            functools.partial(write_jpegs, count=size, width=640, height=480, quality=90, noise=4),
        )
        images = images.resolve()
        mean_kb = read_all(images) / size / 1000
        recipe = write_recipe(
            work / "shard.yaml",
            images.parent,
            {"photos": {"type": "image_folder", "path": images.name}},
            shard={"image_short_side": SHORT_SIDE},
        )

        def script() -> Figures:
            shutil.rmtree(work / "out-script", ignore_errors=True)
            os.sync()
            return child(
                __file__,
                "script",
                "--images",
                images,
                "--out",
                work / "out-script",
                "--cores",
                str(options.cores),
            )

        variants: dict[str, Callable[[], Figures]] = {
            "modalmill": lambda: modalmill(recipe, work / "out-modalmill"),
            "script": script,
            "kernel": lambda: child(
                __file__, "kernel", "--images", images, "--cores", str(options.cores)
            ),
        }
        reason = ""
        try:
            python = img2dataset_python(work, options.img2dataset)
            # once unmeasured: whether it runs at all
            run_img2dataset(python, work, images, options.cores, size)
            variants["img2dataset"] = lambda: run_img2dataset(
                python, work, images, options.cores, size
            )
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            reason = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1]
        found = in_turn(variants, options.repeats)
    base, ours = found["script"]["wall_s"], found["modalmill"]["wall_s"]
    names = {
        "modalmill": "modalmill run",
        "script": "pool of cv2 -> webdataset.ShardWriter",
        "img2dataset": "img2dataset, file://",
        "kernel": "kernel, no writing",
    }
    rows = []
    for name, title in names.items():
        if name in found:
            seconds = found[name]["wall_s"]
            rows.append(
                [
                    title,
                    f"{seconds:.1f}",
                    f"{size / seconds:.0f}",
                    f"{base / seconds:.2f}",
                    f"{seconds / ours:.2f}",
                ]
            )
        else:
            rows.append([f"{title}: not measured ({reason})", "-", "-", "-", "-"])
    loop = found["kernel"]["loop_s"]
    rows.append(
        [
            "kernel, loop alone",
            f"{loop:.1f}",
            f"{size / loop:.0f}",
            f"{base / loop:.2f}",
            f"{loop / ours:.2f}",
        ]
    )
    print_table(
        [
            f"{size} JPEGs of {mean_kb:.0f} kB",
            "seconds",
            "images/s",
            "to the script",
            "modalmill / this",
        ],
        rows,
    )
    print_versions("webdataset", "simplejpeg", "opencv-python-headless", "numpy")


if __name__ == "__main__":
    sys.exit(main())
