"""Video: the pictures of one film, as frames ``uint8 [T, H, W, 3]``."""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ....schemas.quantity import Quantity
from ....schemas.recipe import ShardOptions, VideoReader
from ....schemas.record import Part
from ...media.files import content_hash, placed
from ...modality import (
    WARP_COST,
    Measured,
    ModalityOptions,
    OnDisk,
    Rendered,
    in_span,
    sequence_of_activity,
)
from ...signal import FACTS, LIKENESS, found_in

if TYPE_CHECKING:
    import numpy as np

    from .spec import VideoSpec
    from .stretch import Stretch

_EXTRACTED_SIDE = 192  # pixels of the short side that extractors get at least


class VideoOptions(ModalityOptions):
    """A video as an input. Sizes in pixels."""

    size: int = Field(64, ge=16, le=1024)
    frames: int = Field(8, ge=1, le=256)
    reader: VideoReader = "pyav"


class Video(OnDisk):
    """Films. Some frames of each, evenly spaced, go into the tar as Motion JPEG: a video is decoded
    once, and not in every epoch.
    """

    timed = True
    takes_speed = True
    has_pixels = True
    suffixes = (
        *(
            ".mp4",
            ".m4v",
            ".mkv",
            ".webm",
            ".mov",
            ".avi",
            ".mpg",
            ".mpeg",
            ".mpe",
            ".m2v",
            ".vob",
            ".ts",
            ".mts",
            ".m2ts",
            ".flv",
            ".f4v",
        ),
        *(".3gp", ".3g2", ".wmv", ".asf", ".ogv", ".mxf"),
    )
    facts = (
        *("bytes", "duration_s", "frames", "fps"),
        *("width", "height", "short_side", "long_side", "aspect"),
    )
    by_stages: ClassVar[Mapping[str, Quantity]] = {"warp_cost": WARP_COST}
    readable = ("path", "header", "frames", "damaged", "first_s", "end_s")
    readable_by_tracks = ("gray", "levels", "difference", "time_s")
    media_per_task = 12
    parts_per_task = 16
    version = 3
    likeness_version = 1
    always_measured = True
    stream_of = "pictures"
    warped_by = ("activity",)
    cut_by = ("shots",)
    options = VideoOptions
    first_encoder = "frames_cnn"

    def measured(self, root: Path, part: Part, wanted: frozenset[str]) -> Measured:
        assert part.uri is not None
        with placed(root, part.uri) as path:
            return self._measured(path, wanted)

    def _measured(self, path: Path, wanted: frozenset[str]) -> Measured:
        """The same of the file at ``path``."""
        result: Measured = {"hash": content_hash(path)}
        if wanted != {FACTS}:
            return result | self._watched(path, wanted)
        from ...media.video import probe

        header = probe(path)
        return result | {
            "width": header.width,
            "height": header.height,
            "fps": header.fps,
            "duration_s": header.duration_s,
            "frames": header.frames,
        }

    def _watched(self, path: Path, wanted: frozenset[str]) -> Measured:
        """What is found where every frame is decoded; the length is when the last one ends, on the
        container's clock.
        """
        from ...media.sketch import Sketcher
        from ...media.video import probe
        from .film import watch
        from .tracks import Watching

        header = probe(path)
        sketcher = Sketcher(header.turns) if LIKENESS in wanted else None
        watching = Watching(wanted)
        look = [watching.look]
        if sketcher is not None:
            look.append(lambda frame: sketcher.add(frame.time_s, frame.gray))
        film = watch(path, header, look)
        found = found_in(self.name, film, wanted - watching.units)
        watching.add_to(found)
        result: Measured = {
            "width": header.width,
            "height": header.height,
            "fps": header.fps,
            "frames": film.frames,
            "duration_s": film.end_s,
            "found": found,
        }
        if sketcher is not None:
            result["likeness"] = sketcher.finished(film.end_s).to_array()
        return result

    def likeness(self, data: bytes) -> np.ndarray:
        import numpy as np

        return np.frombuffer(data, np.uint16)

    def likeness_of(self, data: bytes) -> np.ndarray:
        from .film import sketch_video

        return sketch_video(io.BytesIO(data)).to_array()

    def alike(self, likenesses: Sequence[np.ndarray]) -> list[tuple[int, int]]:
        from ...media.film_alikes import film_alikes
        from ...media.sketch import Sketch

        def sketch(number: int) -> Sketch:
            return Sketch.from_array(likenesses[number])

        return [(one, other) for one, other, _ in film_alikes(len(likenesses), sketch)]

    def stretch(self, part: Part, tracks: Mapping[str, np.ndarray]) -> Stretch:
        from .stretch import Stretch

        return Stretch(tracks, part.start_s, part.end_s)

    def segments(
        self, part: Part, tracks: Mapping[str, np.ndarray], by: str, options: Mapping[str, float]
    ) -> list[tuple[float, float]]:
        from .segments import shots

        return in_span(part, functools.partial(shots, tracks))

    def sequence(self, tracks: Mapping[str, np.ndarray], by: str) -> tuple[float, np.ndarray]:
        return sequence_of_activity(self, tracks, float(tracks["time"][-1]))

    def activity(self, tracks: Mapping[str, np.ndarray], times_s: np.ndarray) -> np.ndarray:
        from .activity import motion_at

        return motion_at(tracks, times_s)

    def decoded(self, root: Path, part: Part, wanted_by: object) -> np.ndarray:
        from ...media import video
        from ...media.steps import apply_to_pixels

        assert part.uri is not None
        side = max(_EXTRACTED_SIDE, getattr(wanted_by, "size", 0) or 0)
        count = getattr(wanted_by, "frames", 8)
        with placed(root, part.uri) as path:
            frames = video.sample(
                path,
                count,
                side,
                part.start_s,
                part.end_s,
                strict=part.frames is None,
                reader=getattr(wanted_by, "reader", "pyav"),
            )
        return apply_to_pixels(frames, part.steps)

    def rendered(self, root: Path, part: Part, options: ShardOptions) -> Rendered:
        from ...media import video
        from ...media.steps import apply_to_pixels

        assert part.uri is not None
        count, side = options.video_frames, options.video_short_side
        with placed(root, part.uri) as path:
            sampled = video.sampled(
                path,
                count,
                side,
                part.start_s,
                part.end_s,
                strict=part.frames is None,
                reader=options.video_reader,
            )
        note = (
            ""
            if sampled.distinct == count
            else "films of fewer frames than video_frames, some of which are there more than once"
        )
        frames = apply_to_pixels(sampled.frames, part.steps)
        times_s, seconds = sampled.times_s / part.pace, sampled.seconds / part.pace
        return Rendered("mp4", video.encode_mjpeg(frames, times_s, seconds), note)

    def estimated_bytes(self, part: Part, options: ShardOptions) -> int:
        return options.video_frames * options.video_short_side**2 // 2

    def spec(self) -> VideoSpec:
        from .spec import VideoSpec

        return VideoSpec()

    def input_spec(
        self, options: VideoOptions, fitted: Mapping[str, object], training: bool
    ) -> VideoSpec:
        from .spec import VideoSpec

        return VideoSpec(frames=options.frames, size=options.size, reader=options.reader)


__all__ = ["Video", "VideoOptions"]
