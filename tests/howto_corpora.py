"""The folders that the how-tos of the documentation speak of."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import soundfile
from commands import here
from PIL import Image
from tiny import jpeg, natural, picture, wav, write

WORDS = ("red", "bird", "old", "wall", "sings", "two", "grey", "cats", "near", "green", "trees")


def caption(number: int) -> str:
    """A sentence that no other number has."""
    return " ".join(random.Random(number).sample(WORDS, 6)) + f" {number}"


def class_folders(root: Path) -> None:
    for number in range(30):
        species = ("robin", "wren", "große Meise")[number % 3]
        write(root / "birds" / species / f"IMG_{number:04d}.jpg", jpeg(seed=number))
    write(root / "birds" / "wren" / "IMG_9999.jpg", jpeg(seed=99)[:300])
    write(root / "birds" / "stray.jpg", jpeg(seed=98))


def join_by_name(root: Path) -> None:
    rows = ["Nr;Title;Price;Category"]
    for number in range(1, 31):
        rows.append(f"{number};Schöner Artikel {number};{number},90;{'AB'[number % 2]}")
        if number % 5:
            write(root / "shop" / "photos" / f"IMG_{number:04d}.jpg", jpeg(seed=number))
    write(root / "shop" / "photos" / "IMG_0777.jpg", jpeg(seed=777))
    write(root / "shop" / "articles.csv", "\r\n".join(rows).encode("cp1252"))


def choose_a_threshold(root: Path) -> None:
    for number in range(40):
        shade = 0.02 if number % 10 == 3 else 1.0
        pixels = (picture(seed=number) * shade).astype(np.uint8)
        data = cv2.imencode(".jpg", pixels)[1].tobytes()
        write(root / "photos" / f"{number:02d}.jpg", data)


def find_bad_pictures(root: Path) -> None:
    for number in range(24):
        pixels = natural(192, seed=number)
        if number % 6 == 1:
            pixels = pixels * 0.05
        if number % 6 == 4:
            pixels = cv2.GaussianBlur(pixels, (0, 0), 3)
        exif = Image.Exif()
        exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 30.0), 3: "E", 4: (11.0, 34.0, 0.0)})
        path = root / "photos" / f"{number:02d}.jpg"
        path.parent.mkdir(exist_ok=True)
        gray = Image.fromarray(pixels.astype(np.uint8))
        gray.convert("RGB").save(path, quality=95, exif=exif)


def duplicates_and_leaks(root: Path) -> None:
    rows = ["file,caption,kind"]
    for number in range(40):
        rows.append(f"{number}.jpg,{caption(number)},{'ab'[number % 2]}")
        write(root / "collection" / "images" / f"{number}.jpg", jpeg(seed=number, quality=95))
        if number < 12:
            # the same picture once more, compressed further
            rows.append(f"again-{number}.jpg,{caption(100 + number)},{'ab'[number % 2]}")
            data = jpeg(seed=number, quality=60)
            write(root / "collection" / "images" / f"again-{number}.jpg", data)
    write(root / "collection" / "captions.csv", "\n".join(rows))


def cut_recordings(root: Path) -> None:
    chance = np.random.default_rng(7)
    for number in range(8):
        pieces = [np.zeros(2400, np.float32)]
        for _ in range(4):
            noise = chance.normal(0, 0.2, round(chance.uniform(0.6, 1.5) * 8000))
            pieces += [noise.astype(np.float32), np.zeros(4800, np.float32)]
        path = root / "talks" / f"talk{number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.concatenate(pieces), 8000)


def missing_parts(root: Path) -> None:
    rows = ["id,text,image,stars"]
    for number in range(40):
        text = "" if number % 4 == 1 else f"{('awful', 'wonderful')[number % 2]} {caption(number)}"
        image = "" if number % 4 == 2 else f"{number}.jpg"
        rows.append(f"{number},{text},{image},{('bad', 'good')[number % 2]}")
        if image:
            write(root / "reviews" / "images" / image, jpeg(seed=number))
    write(root / "reviews" / "reviews.csv", "\n".join(rows))


def leave_one_speaker_out(root: Path) -> None:
    for place, speaker in enumerate(("anna", "ben", "cem")):
        for take in range(8):
            emotion = ("happy", "sad")[take % 2]
            hertz = 200 + 60 * place + 300 * (take % 2) + 7 * take
            data = wav(hertz, 0.4)
            write(root / "emotions" / f"{speaker}-{emotion}-{take:02d}.wav", data)


def your_own_stage(root: Path) -> None:
    rows = ["id,caption,kind"]
    for number in range(30):
        loud = " buy now!!!" if number % 7 == 3 else "!" if number % 7 == 5 else ""
        rows.append(f"{number},{caption(number)}{loud},{'ab'[number % 2]}")
    write(root / "captions.csv", "\n".join(rows))


def your_own_loop(root: Path) -> None:
    rows = ["file,caption,animal"]
    for number in range(40):
        rows.append(f"{number}.jpg,{caption(number)},{('cat', 'dog')[number % 2]}")
        if number % 9:
            write(root / "raw" / "images" / f"{number}.jpg", jpeg(seed=number))
    write(root / "raw" / "labels.csv", "\n".join(rows))
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    recipe = readme[readme.index("name: pets") :].partition("```")[0]
    write(root / "pets.yaml", recipe)
    done = here("run", "pets.yaml", "--out", "out/pets", "--until", "shard", cwd=root)
    assert done.returncode == 0, done.stderr


def clean_texts(root: Path) -> None:
    rows = ["id,comment,stars"]
    for number in range(40):
        text = f"I like how the {caption(number)} looks in this picture."
        rows.append(f"{number},{text},{1 + number % 5}")
    rows += [
        "40,Das ist wirklich ein schönes Bild von einem alten Haus.,4",
        "41,<p>Write to <b>ann@example.org</b> or call 020 7946 0958 about it.</p>,2",
        "42,buy now buy now buy now buy now buy now buy now buy now buy now,5",
        "43,The best picture of all that I have seen this year.,50",
        "44,Nice,3",
    ]
    write(root / "comments" / "comments.csv", "\n".join(rows))


CORPORA: dict[str, Callable[[Path], None]] = {
    "class-folders": class_folders,
    "clean-texts": clean_texts,
    "join-by-name": join_by_name,
    "choose-a-threshold": choose_a_threshold,
    "find-bad-pictures": find_bad_pictures,
    "duplicates-and-leaks": duplicates_and_leaks,
    "cut-recordings": cut_recordings,
    "missing-parts": missing_parts,
    "leave-one-speaker-out": leave_one_speaker_out,
    "your-own-loop": your_own_loop,
    "your-own-stage": your_own_stage,
    "vectors": duplicates_and_leaks,
}
