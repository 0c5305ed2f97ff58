"""What is written of a medium: the file as it is where it fits, else decoded once, changed, and encoded."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import simplejpeg

from ...schemas.errors import DamageError
from ...schemas.recipe import ShardOptions
from ...schemas.record import Part
from ..media import audio, image, video
from ..media.files import locate, read
from ..media.steps import apply_to_pixels, apply_to_samples

_COPIED_SOUNDS = {".wav": "wav", ".flac": "flac", ".mp3": "mp3", ".ogg": "ogg"}


def render(root: Path, part: Part, options: ShardOptions) -> tuple[str, bytes, str]:
    """The ending and the bytes of a part as it goes into the tar, and what a person should know of it; DamageError where it is not whole."""
    assert part.uri is not None
    if part.damage:
        rule, _, message = part.damage.partition(": ")
        raise DamageError(rule, message)
    if part.modality == "image":
        return (*_image(read(root, part.uri), part, options), "")
    path = locate(root, part.uri)
    return (*_audio(path, part, options), "") if part.modality == "audio" else _video(path, part, options)


def _image(data: bytes, part: Part, options: ShardOptions) -> tuple[str, bytes]:
    kind = image.sniff(data)
    short = options.image_short_side
    if not part.steps and kind in ("jpg", "png", "webp"):
        width, height = image.size(data)
        if short is None or min(width, height) <= short:
            if options.verify and part.width is None:
                image.decode(data) if kind != "jpg" else simplejpeg_check(data)
            return kind, data
    pixels = image.decode(data, 0 if part.steps else short or 0)
    pixels = apply_to_pixels(pixels, part.steps)
    if short is not None:
        pixels = image.scale_to(pixels, short)
    return "jpg", image.encode_jpeg(pixels, options.jpeg_quality)


def simplejpeg_check(data: bytes) -> None:
    """DamageError unless a JPEG decodes to its end; the smallest picture that the decoder can make is enough to know."""
    try:
        simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1, strict=True)
    except ValueError:
        image.decode(data)


def _audio(path: Path, part: Part, options: ShardOptions) -> tuple[str, bytes]:
    ending = _COPIED_SOUNDS.get(PurePosixPath(part.uri or "").suffix.lower())
    whole = part.start_s is None and part.end_s is None
    rate = options.sample_rate_hz
    if whole and not part.steps and ending and (rate is None or (part.sample_rate_hz == rate and part.channels == 1)):
        data = path.read_bytes()
        if options.verify and part.duration_s is None:
            audio.decode(path)
        return ending, data
    sound = audio.decode(path, part.start_s, part.end_s)
    samples = sound.mono(rate) if rate else sound.samples
    return "flac", audio.encode_flac(apply_to_samples(samples, part.steps), rate or sound.rate_hz)


def _video(path: Path, part: Part, options: ShardOptions) -> tuple[str, bytes, str]:
    found = video.sampled(path, options.video_frames, options.video_short_side, part.start_s, part.end_s, strict=part.frames is None)
    note = "" if found.distinct == options.video_frames else "films of fewer frames than video_frames, some of which are there more than once"
    return "mp4", video.encode_mjpeg(apply_to_pixels(found.frames, part.steps), found.times_s, found.seconds), note


def _span_seconds(part: Part) -> float:
    whole = part.duration_s or 0.0
    end = part.end_s if part.end_s is not None else whole
    return max(0.0, end - (part.start_s or 0.0))


def estimate_bytes(part: Part, options: ShardOptions) -> int:
    """About how many bytes a part will take, from what is known before it is read."""
    size = part.bytes or 0
    if part.modality == "image" and options.image_short_side is not None:
        return min(size, round(0.5 * options.image_short_side**2)) or 10_000
    if part.modality == "video":
        return options.video_frames * options.video_short_side**2 // 2
    if part.modality == "audio" and part.duration_s and (part.end_s is not None or options.sample_rate_hz):
        seconds = min(part.duration_s, _span_seconds(part) or part.duration_s)
        return round(seconds * (options.sample_rate_hz or part.sample_rate_hz or 44_100) * 1.2)
    return size
