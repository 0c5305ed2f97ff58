"""A small raw corpus of our own making, in the formats that users have on disk, with planted dirt
whose account is known.

Each scene has a picture (a coloured shape), a tone, a clip (a square that moves), and a line in a
table of notes. Each question asks about one of them, so that an answer needs the question and the
right one of the others. Some are missing on purpose, some are damaged.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import soundfile

from ..schemas.fingerprint import random_for
from ..schemas.json_value import JsonValue

COLOURS = {
    "red": (200, 40, 40),
    "green": (40, 170, 60),
    "blue": (50, 70, 210),
    "yellow": (225, 205, 50),
}
SHAPES = ("circle", "square", "triangle")
TONES = {"low": 250.0, "middle": 750.0, "high": 2200.0}
WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
WEATHER = ("sunny", "rainy", "windy", "foggy")
QUESTIONS = {
    "colour": ("What colour is the shape?", "Which colour does it have?"),
    "shape": ("What shape is it?", "Which shape do you see?"),
    "tone": ("Is the tone low, middle or high?", "How high is the sound?"),
    "way": ("Which way does the square move?", "Where does it go?"),
    "weather": ("What is the weather like?", "How is the weather?"),
}
_SIDE = 96
_RATE_HZ = 8000
_SECONDS = 0.5
_FRAMES = 8
_FPS = 16
_ASKED = 3
_LONELY_IMAGES = (900_001, 900_002, 900_003)
_LONELY_NOTE = 700_012


@dataclass(slots=True)
class Planted:
    """What is in the corpus, as the account must tell it: raw items by source, and everything left
    out, merged or without a partner by stage and reason."""

    read: dict[str, int] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    unmatched: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Scene:
    number: int
    colour: str
    shape: str
    tone: str
    way: str
    weather: str
    asked: tuple[str, ...]
    has_sound: bool
    has_clip: bool
    has_note: bool

    def answer(self, about: str) -> str:
        return str(getattr(self, about))


def write_corpus(root: Path, scenes: int = 700, seed: int = 5) -> Planted:
    """Write the corpus below ``root`` and say what was planted in it."""
    rng = random_for(seed, "demo")
    planted = Planted()
    for folder in ("questions", "images", "sounds", "clips"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    drawn = [_scene(number, rng) for number in range(1, scenes + 1)]
    for scene in drawn:
        (root / "images" / _image_name(scene.number)).write_bytes(_jpeg(_picture(scene, rng)))
        if scene.has_sound:
            _write_tone(root / "sounds" / f"{scene.number:012d}.wav", TONES[scene.tone], rng)
        if scene.has_clip:
            _write_clip(
                root / "clips" / f"{scene.number:012d}.mp4", WAYS[scene.way], rng, with_sound=True
            )
    questions, annotations = _questions(drawn, rng)
    _plant_in_vqa(root, drawn, questions, annotations, planted, rng)
    _plant_in_media(root, drawn, planted, rng)
    _write_notes(root / "notes.csv", drawn, planted)
    _write_json(
        root / "questions" / "v2_OpenEnded_mscoco_demo2014_questions.json",
        {"task_type": "Open-Ended", "data_subtype": "demo2014", "questions": questions},
    )
    _write_json(
        root / "questions" / "v2_mscoco_demo2014_annotations.json",
        {"data_subtype": "demo2014", "annotations": annotations},
    )
    planted.read |= {
        "vqa": len(questions) + len(annotations) + len(list((root / "images").iterdir())),
        "sounds": len(list((root / "sounds").iterdir())),
        "clips": len(list((root / "clips").iterdir())),
    }
    _count_unmatched(root, drawn, questions, planted)
    return planted


def _scene(number: int, rng: np.random.Generator) -> _Scene:
    def pick(values: Collection[str]) -> str:
        return str(list(values)[int(rng.integers(len(values)))])

    asked = tuple(str(word) for word in rng.choice(list(QUESTIONS), size=_ASKED, replace=False))
    scene = _Scene(
        number,
        pick(COLOURS),
        pick(SHAPES),
        pick(TONES),
        pick(WAYS),
        pick(WEATHER),
        asked,
        True,
        True,
        True,
    )
    scene.has_sound, scene.has_clip, scene.has_note = (
        bool(rng.random() < share) for share in (0.8, 0.8, 0.85)
    )
    return scene


def _picture(scene: _Scene, rng: np.random.Generator) -> np.ndarray:
    ground = rng.integers(90, 166, (12, 12, 3)).astype(np.uint8)
    picture = cv2.resize(ground, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    x, y, size = (int(rng.integers(low, high)) for low, high in ((34, 62), (34, 62), (18, 28)))
    colour = COLOURS[scene.colour]
    if scene.shape == "circle":
        cv2.circle(picture, (x, y), size, colour, -1, cv2.LINE_AA)
    elif scene.shape == "square":
        cv2.rectangle(picture, (x - size, y - size), (x + size, y + size), colour, -1)
    else:
        corners = np.array([[x, y - size], [x - size, y + size], [x + size, y + size]], np.int32)
        cv2.fillPoly(picture, [corners], colour, cv2.LINE_AA)
    noise = rng.normal(0, 6, picture.shape)
    return np.asarray(np.clip(picture + noise, 0, 255).astype(np.uint8))


def _jpeg(picture: np.ndarray) -> bytes:
    import simplejpeg

    return bytes(
        simplejpeg.encode_jpeg(
            np.ascontiguousarray(picture), quality=90, colorspace="RGB", colorsubsampling="420"
        )
    )


def _tone(hertz: float, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(round(_RATE_HZ * _SECONDS)) / _RATE_HZ
    pitch = hertz * float(rng.uniform(0.8, 1.25))
    wave = 0.3 * np.sin(2 * np.pi * pitch * time + float(rng.uniform(0, 6.28)))
    return (wave + rng.normal(0, 0.02, len(time))).astype(np.float32)


def _write_tone(path: Path, hertz: float, rng: np.random.Generator) -> None:
    soundfile.write(path, _tone(hertz, rng), _RATE_HZ, subtype="PCM_16")


def _write_clip(
    path: Path, way: tuple[int, int], rng: np.random.Generator, with_sound: bool
) -> None:
    ground = cv2.resize(
        rng.integers(60, 140, (6, 6, 3)).astype(np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC
    )
    x, y = (int(rng.integers(26, 38)) for _ in range(2))
    step = float(rng.uniform(2.0, 3.0))
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        pictures = container.add_stream("mpeg4", rate=_FPS)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        pictures.thread_count = 1
        pictures.bit_rate = 400_000
        sounds = container.add_stream("aac", rate=_RATE_HZ) if with_sound else None
        for number in range(_FRAMES):
            frame = ground.copy()
            place = (
                round(x + way[0] * step * (number - _FRAMES / 2)),
                round(y + way[1] * step * (number - _FRAMES / 2)),
            )
            cv2.rectangle(
                frame,
                (place[0] - 7, place[1] - 7),
                (place[0] + 7, place[1] + 7),
                (235, 235, 235),
                -1,
            )
            container.mux(
                pictures.encode(av.VideoFrame.from_ndarray(frame.astype(np.uint8), format="rgb24"))
            )
        container.mux(pictures.encode(None))
        if sounds is not None:
            wave = _tone(600.0, rng)[None, : round(_RATE_HZ * _FRAMES / _FPS)]
            audio = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            audio.sample_rate = _RATE_HZ
            audio.time_base = Fraction(1, _RATE_HZ)
            audio.pts = 0
            container.mux(sounds.encode(audio))
            container.mux(sounds.encode(None))
    path.write_bytes(buffer.getvalue())


def _questions(
    scenes: list[_Scene], rng: np.random.Generator
) -> tuple[list[dict[str, object]], list[dict[str, JsonValue]]]:
    questions, annotations = [], []
    for scene in scenes:
        for place, about in enumerate(scene.asked):
            number = scene.number * 1000 + place
            wordings = QUESTIONS[about]
            questions.append(
                {
                    "image_id": scene.number,
                    "question": wordings[int(rng.integers(len(wordings)))],
                    "question_id": number,
                }
            )
            annotations.append(_annotation(scene.number, number, about, scene.answer(about), rng))
    return questions, annotations


def _annotation(
    image_id: int, number: int, about: str, answer: str, rng: np.random.Generator
) -> dict[str, JsonValue]:
    said = [answer if rng.random() < 0.9 else "not sure" for _ in range(10)]
    return {
        "question_type": about,
        "multiple_choice_answer": answer,
        "answers": [
            {"answer": word, "answer_confidence": "yes", "answer_id": place}
            for place, word in enumerate(said, 1)
        ],
        "image_id": image_id,
        "answer_type": "other",
        "question_id": number,
    }


def _image_name(number: int) -> str:
    return f"COCO_demo2014_{number:012d}.jpg"


def _plant_in_vqa(
    root: Path,
    scenes: list[_Scene],
    questions: list[dict[str, object]],
    annotations: list[dict[str, JsonValue]],
    planted: Planted,
    rng: np.random.Generator,
) -> None:
    """Dirt in the json files and among the images. Scenes 1 to 9 lose their image in some way; each
    has several questions.
    """
    images = root / "images"

    def path(number: int) -> Path:
        return images / _image_name(number)

    for number in (1, 2):
        path(number).write_bytes(path(number).read_bytes()[:900])
    planted.reasons["clean.image: image_truncated"] += 2 * _ASKED
    path(3).write_bytes(b"")
    planted.reasons["clean.image: file_empty"] += _ASKED
    path(4).write_text("this is no picture\n")
    planted.reasons["clean.image: not_an_image"] += _ASKED
    png = bytearray(cv2.imencode(".png", _picture(scenes[4], rng))[1].tobytes())
    png[len(png) // 2] ^= 0x10
    path(5).unlink()
    path(5).with_suffix(".png").write_bytes(bytes(png))
    planted.reasons["clean.image: image_damaged"] += _ASKED
    path(6).write_bytes(_jpeg(np.full((_SIDE, _SIDE, 3), 4, np.uint8)))
    planted.reasons["clean.image: image_dark"] += _ASKED
    path(7).write_bytes(_jpeg(np.full((12, 400, 3), 120, np.uint8)))
    planted.reasons["clean.image: image_too_small"] += _ASKED
    for number in (8, 9):
        path(number).unlink()  # their questions go on without a picture
    path(10).unlink()
    path(10).symlink_to("/etc/hostname")
    planted.reasons["vqa: path_outside_root"] += 1
    (images / "holiday.jpg").write_bytes(_jpeg(_picture(scenes[0], rng)))
    planted.reasons["vqa: name_mismatch"] += 1
    for number in _LONELY_IMAGES:
        path(number).write_bytes(_jpeg(_picture(scenes[number % 10], rng)))
    planted.reasons["align.require: no question"] += len(_LONELY_IMAGES)
    questions.append(dict(questions[40]))
    planted.reasons["vqa: duplicate_id"] += 1
    questions.append({"image_id": 20, "question_id": 20_777})
    planted.reasons["vqa: broken_row"] += 1
    annotations.append(_annotation(21, 21_777, "colour", "red", rng))
    annotations.append(_annotation(22, 22_777, "colour", "red", rng))
    planted.reasons["vqa: no_question"] += 2
    questions.append({"image_id": 23, "question": "Is anybody there?", "question_id": 23_777})
    planted.reasons["align.require: no target answer"] += 1
    questions.append({"image_id": 24, "question": "   ", "question_id": 24_777})
    annotations.append(_annotation(24, 24_777, "colour", "red", rng))
    planted.reasons["align.require: no question"] += 1
    # The same picture, question and answers twice under other ids: one of them is merged.
    _twin(root, scenes[29], questions, annotations)
    planted.reasons["clean.duplicates: duplicate"] += 1


def _twin(
    root: Path,
    scene: _Scene,
    questions: list[dict[str, object]],
    annotations: list[dict[str, JsonValue]],
) -> None:
    number = 800_000 + scene.number
    (root / "images" / _image_name(number)).write_bytes(
        (root / "images" / _image_name(scene.number)).read_bytes()
    )
    for folder, ending in (("sounds", ".wav"), ("clips", ".mp4")):
        source = root / folder / f"{scene.number:012d}{ending}"
        if source.exists():
            (root / folder / f"{number:012d}{ending}").write_bytes(source.read_bytes())
    scene.has_note = False
    first = next(
        place for place, question in enumerate(questions) if question["image_id"] == scene.number
    )
    questions.append(questions[first] | {"image_id": number, "question_id": number * 1000})
    annotations.append(annotations[first] | {"image_id": number, "question_id": number * 1000})


def _plant_in_media(
    root: Path, scenes: list[_Scene], planted: Planted, rng: np.random.Generator
) -> None:
    """Damaged sound and clips. The records go on without them; each scene has several questions."""
    free = [scene for scene in scenes[39:] if scene.has_sound and scene.has_clip]
    sounds = [root / "sounds" / f"{scene.number:012d}.wav" for scene in free]
    clips = [root / "clips" / f"{scene.number:012d}.mp4" for scene in free]
    sounds[0].write_bytes(sounds[0].read_bytes()[:3000])
    sounds[1].write_text("no sound at all")
    sounds[2].write_bytes(b"")
    planted.dropped["clean.audio: audio dropped: corrupt"] += 3 * _ASKED
    soundfile.write(sounds[3], np.zeros(4000, np.float32), _RATE_HZ, subtype="PCM_16")
    planted.dropped["clean.audio: audio dropped: filtered"] += _ASKED
    clips[4].write_bytes(clips[4].read_bytes()[:600])
    clips[5].write_bytes(b"\0" * 2000)
    planted.dropped["clean.video: video dropped: corrupt"] += 2 * _ASKED
    planted.dropped["clean.audio: soundtrack dropped: corrupt"] += 2 * _ASKED
    _write_clip(clips[6], (0, 0), rng, with_sound=False)
    _write_tone(root / "sounds" / "000000700001.wav", 440.0, rng)
    planted.reasons["align.require: no question"] += 1


def _write_notes(path: Path, scenes: list[_Scene], planted: Planted) -> None:
    """The table of notes: Windows-1252 with curly quotes, quoted newlines, and rows that are not
    right.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(["scene", "note", "seen by"])
    rows = 0
    for scene in scenes:
        if not scene.has_note:
            continue
        rows += 1
        note = (
            f"It\u2019s {scene.weather} today"
            if scene.number % 7
            else f"Notes of the day:\nIt\u2019s {scene.weather} today"
        )
        writer.writerow([str(scene.number), note, "Zo\u00eb"])
    for row, reason in (
        (["", "It is sunny", "nobody"], "empty_id"),
        (
            [str(next(scene.number for scene in scenes if scene.has_note)), "It is rainy", "twice"],
            "duplicate_id",
        ),
        (["700010", "It is foggy", "Tom", "and", "more"], "stray_columns"),
        (["700011"], "missing_columns"),
    ):
        writer.writerow(row)
        planted.reasons[f"notes: {reason}"] += 1
        rows += 1
    writer.writerow([str(_LONELY_NOTE), "It is windy", "no scene has this id"])
    planted.reasons["align.require: no question"] += 1
    planted.read["notes"] = rows + 1
    path.write_bytes(buffer.getvalue().encode("cp1252"))


def _count_unmatched(
    root: Path, scenes: list[_Scene], questions: list[dict[str, object]], planted: Planted
) -> None:
    """What has no partner, counted from what was written: scene by scene in the join, and between
    questions, annotations and images.
    """
    planted.unmatched |= {
        "vqa: no_image_file": 3 * _ASKED,
        "vqa: no_question": len(_LONELY_IMAGES),
        "vqa: no_annotation": 1,
    }
    asked = {
        question["question_id"]: question["image_id"]
        for question in questions
        if "question" in question
    }
    rows = Counter([*asked.values(), *_LONELY_IMAGES])
    others = {
        name: {int(path.stem) for path in (root / name).iterdir()} for name in ("sounds", "clips")
    }
    others["notes"] = {scene.number for scene in scenes if scene.has_note} | {_LONELY_NOTE}
    for name, numbers in others.items():
        planted.unmatched[f"align.join: no_{name}"] += sum(
            count for number, count in rows.items() if number not in numbers
        )
        planted.unmatched[f"align.join: no_{name}"] += len(
            set().union(*others.values()) - rows.keys() - numbers
        )
    planted.unmatched["align.join: no_vqa"] = len(set().union(*others.values()) - rows.keys())


def _write_json(path: Path, value: dict[str, object]) -> None:
    path.write_text(
        json.dumps({"info": {"description": "made by modalmill demo", "version": "2.0"}, **value}),
        encoding="utf-8",
    )
