"""Small media made on the fly, whole and damaged."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import simplejpeg
import soundfile


def picture(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """A smooth random RGB picture."""
    rng = np.random.default_rng(seed)
    return cv2.resize(
        rng.integers(0, 256, (6, 8, 3)).astype(np.uint8),
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )


def natural(side: int, until: float = 1.0, seed: int = 0) -> np.ndarray:
    """A grey picture in [0, 255] whose amplitude falls with the frequency, as that of photographs
    does (Field 1987), and ends at a share of the highest.
    """
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.normal(size=(side, side)))
    down, right = np.fft.fftfreq(side)[:, None] * 2, np.fft.rfftfreq(side)[None] * 2
    # one direction after the other, as it is measured
    filtered = spectrum / np.maximum(np.abs(down), 1 / side) / np.maximum(right, 1 / side)
    filtered[(np.abs(down) > until) | (right > until)] = 0
    pixels = np.fft.irfft2(filtered, s=(side, side))
    pixels = (pixels - pixels.mean()) / pixels.std()
    return (128 + 25 * pixels).clip(0, 255)


def jpeg(height: int = 48, width: int = 64, seed: int = 0, quality: int = 90) -> bytes:
    return bytes(
        simplejpeg.encode_jpeg(
            np.ascontiguousarray(picture(height, width, seed)), quality=quality, colorspace="RGB"
        )
    )


def png(height: int = 48, width: int = 64, seed: int = 0) -> bytes:
    return cv2.imencode(".png", picture(height, width, seed))[1].tobytes()


def tone(
    hertz: float = 440.0, seconds: float = 0.5, rate_hz: int = 8000, level: float = 0.3
) -> np.ndarray:
    return (
        level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz)
    ).astype(np.float32)


def wav(
    hertz: float = 440.0,
    seconds: float = 0.5,
    rate_hz: int = 8000,
    form: str = "WAV",
    subtype: str | None = "PCM_16",
) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(hertz, seconds, rate_hz), rate_hz, format=form, subtype=subtype)
    return buffer.getvalue()


def mp4(
    frames: int = 10,
    fps: int = 10,
    size: int = 64,
    sound: bool = True,
    codec: str = "mpeg4",
    form: str = "mp4",
) -> bytes:
    """A video whose frame n is grey level 20 + 20 n, so that every frame says which one it is."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as container:
        pictures = container.add_stream(codec, rate=fps)
        pictures.width = pictures.height = size
        pictures.pix_fmt = "yuv420p"
        pictures.thread_count = 1
        sounds = (
            container.add_stream(
                "aac" if form in ("mp4", "mov") else "libopus" if form == "webm" else "mp2",
                rate=48000,
            )
            if sound
            else None
        )
        for number in range(frames):
            frame = np.full((size, size, 3), 20 + 20 * number % 230, np.uint8)
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(pictures.encode(None))
        if sounds is not None:
            wave = tone(600.0, frames / fps, 48000)[None]
            kind = sounds.codec_context.format.name
            if kind == "s16":
                wave = (wave * 32767).astype(np.int16)
            audio = av.AudioFrame.from_ndarray(
                wave, format="fltp" if kind == "fltp" else kind, layout="mono"
            )
            audio.sample_rate = 48000
            audio.time_base = Fraction(1, 48000)
            audio.pts = 0
            container.mux(sounds.encode(audio))
            container.mux(sounds.encode(None))
    return buffer.getvalue()


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def csv_source(text: str, **more: Any) -> dict[str, Any]:
    """The options of a source that reads ``t.csv``, with an ``id`` and one column of texts."""
    return {"type": "csv", "path": "t.csv", "id": "{id}", "text": {text: text}, **more}


def vqa_corpus(root: Path, images: int = 6, per_image: int = 2) -> dict[str, Any]:
    """A whole COCO VQA corpus; the source's options."""
    questions, annotations = [], []
    for image in range(1, images + 1):
        write(root / "images" / f"COCO_tiny2014_{image:012d}.jpg", jpeg(seed=image))
        for place in range(per_image):
            number = image * 1000 + place
            questions.append(
                {
                    "image_id": image,
                    "question": f"What is number {place} of {image}?",
                    "question_id": number,
                }
            )
            answers = [
                {"answer": "yes" if place else "two", "answer_confidence": "yes", "answer_id": who}
                for who in range(1, 11)
            ]
            annotations.append(
                {
                    "question_type": "what",
                    "multiple_choice_answer": answers[0]["answer"],
                    "answers": answers,
                    "image_id": image,
                    "answer_type": "other",
                    "question_id": number,
                }
            )
    write(
        root / "q.json",
        json.dumps({"info": {}, "data_subtype": "tiny2014", "questions": questions}),
    )
    write(root / "a.json", json.dumps({"info": {}, "annotations": annotations}))
    return {"type": "coco_vqa", "questions": "q.json", "annotations": "a.json", "images": "images"}


def recipe(
    root: Path, sources: dict[str, Any], stages: list[Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A recipe as a mapping."""
    return {"name": "tiny", "data": str(root), "sources": sources, "stages": stages or [], **more}
