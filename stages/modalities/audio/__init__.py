"""Sound: one recording in one file, or the sound of a film, as samples ``float32 [T, C]`` in [-1,
1].
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ....schemas.quantity import Quantity, share
from ....schemas.recipe import ShardOptions
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
from ...signal import LIKENESS, found_in

if TYPE_CHECKING:
    import numpy as np

    from .spec import AudioSpec
    from .stretch import Stretch

_COPIED = {".wav": "wav", ".flac": "flac", ".mp3": "mp3", ".ogg": "ogg"}
_USUAL_RATE_HZ = 44_100
_SEQUENCES = ("mfcc", "chroma")


class AudioOptions(ModalityOptions):
    """A sound as an input. Rates in hertz."""

    rate_hz: int = Field(16_000, ge=1000)
    seconds: float = Field(4.0, gt=0)
    spectrum: Literal["logmel", "mfcc", "bark"] = Field(
        "logmel", description="what an encoder of sound sees of it"
    )


class Audio(OnDisk):
    """Sounds. They go into the tar as they are where neither cut, changed nor resampled, as FLAC
    otherwise.
    """

    timed = True
    takes_speed = True
    suffixes = (
        *(
            ".wav",
            ".wave",
            ".w64",
            ".rf64",
            ".flac",
            ".mp3",
            ".mp2",
            ".ogg",
            ".oga",
            ".opus",
            ".spx",
            ".m4a",
            ".m4b",
            ".aac",
            ".aif",
            ".aiff",
            ".aifc",
        ),
        *(
            ".au",
            ".snd",
            ".caf",
            ".sph",
            ".voc",
            ".amr",
            ".awb",
            ".gsm",
            ".mka",
            ".weba",
            ".ac3",
            ".eac3",
            ".dts",
            ".wma",
            ".ape",
            ".wv",
            ".tta",
        ),
    )
    facts = ("bytes", "duration_s", "sample_rate_hz", "channels")
    by_stages: ClassVar[Mapping[str, Quantity]] = {
        "sync_offset_s": Quantity(
            "by how much it is late against its film, where align.sync is confident",
            "s",
            -math.inf,
        ),
        "sync_confidence": share("how confident align.sync is of that"),
        "warp_cost": WARP_COST,
        "sync_drift": Quantity("by how much later it gets, where that is so", "s/s", -math.inf),
    }
    readable = ("sound", "mono", "frame")
    media_per_task = 48
    version = 3
    always_measured = True
    no_stream = "no_audio_stream"
    stream_of = "sound"
    cut_by = ("silence", "speech")
    warped_by = (*_SEQUENCES, "activity")
    options = AudioOptions
    first_encoder = "spectrum_cnn"

    def measured(self, root: Path, part: Part, wanted: frozenset[str]) -> Measured:
        from ...media import audio
        from ...media.fingerprint import fingerprint_of
        from .heard import Heard

        assert part.uri is not None
        with placed(root, part.uri) as path:
            sound = audio.decode(path)
            content = content_hash(path)
        heard = Heard(sound)
        result: Measured = {
            "hash": content,
            "duration_s": sound.duration_s,
            "sample_rate_hz": sound.rate_hz,
            "channels": sound.samples.shape[1],
            "found": found_in(self.name, heard, wanted),
        }
        if LIKENESS in wanted:
            result["likeness"] = fingerprint_of(heard.mono, sound.rate_hz)
        return result

    def check_request(self, name: str, wanted_by: str) -> None:
        if name == "speech":
            from ...media.speech import NETWORK

            NETWORK.check(wanted_by)

    def likeness_of(self, data: bytes) -> np.ndarray:
        from ...media.audio import decode_bytes
        from ...media.fingerprint import fingerprint_of

        sound = decode_bytes(data)
        return fingerprint_of(sound.mono(), sound.rate_hz)

    def alike(self, likenesses: Sequence[np.ndarray]) -> list[tuple[int, int]]:
        from ...media.fingerprint import sound_alikes

        return [(first, other) for first, other, _ in sound_alikes(likenesses)]

    def likeness(self, data: bytes) -> np.ndarray:
        import numpy as np

        return np.frombuffer(data, np.uint32)

    def stretch(self, part: Part, tracks: Mapping[str, np.ndarray]) -> Stretch | None:
        from .stretch import Stretch

        span = Stretch(tracks, part.duration_s or 0.0, part.start_s, part.end_s)
        return None if span.is_empty else span

    def facts_within(self, part: Part) -> Part:
        for step in part.steps:
            if step.op == "mono":
                part = replace(part, channels=1)
            elif step.op == "resample":
                part = replace(part, sample_rate_hz=int(str(step.options["rate_hz"])))
        return part

    def segments(
        self, part: Part, tracks: Mapping[str, np.ndarray], by: str, options: Mapping[str, float]
    ) -> list[tuple[float, float]]:
        from .segments import between_silences
        from .speech import stretches_of_speech

        if by == "speech":
            chosen = ("threshold", "neg_threshold", "min_silence_s")
            own = {name: options[name] for name in chosen}
            return in_span(part, functools.partial(stretches_of_speech, tracks, **own))
        return in_span(
            part,
            functools.partial(
                between_silences,
                tracks,
                below_db=options["silence_db"],
                min_silence_s=options["min_silence_s"],
            ),
        )

    def sequence(self, tracks: Mapping[str, np.ndarray], by: str) -> tuple[float, np.ndarray]:
        from .sequences import HOP_S, WIDTHS, sounding

        if by in WIDTHS:
            return HOP_S, sounding(tracks, by)
        return sequence_of_activity(self, tracks, len(tracks["power"]) * float(tracks["hop"][0]))

    def activity(self, tracks: Mapping[str, np.ndarray], times_s: np.ndarray) -> np.ndarray:
        from .activity import level_at

        return level_at(tracks, times_s)

    def parted(
        self,
        part: Part,
        tracks: Mapping[str, np.ndarray],
        by: str,
        span: tuple[float, float],
        max_s: float,
    ) -> list[tuple[float, float]]:
        if by != "speech":
            return super().parted(part, tracks, by, span, max_s)
        from .speech import least_likely_cuts

        base, (start, end) = part.start_s or 0.0, span
        cuts = least_likely_cuts(tracks, base + start, base + end, max_s)
        if not cuts:
            return super().parted(part, tracks, by, span, max_s)
        return list(itertools.pairwise([start, *(cut - base for cut in cuts), end]))

    def decoded(self, root: Path, part: Part, wanted_by: object) -> object:
        from ...media import audio
        from ...media.steps import apply_to_samples

        assert part.uri is not None
        wanted_hz = getattr(wanted_by, "rate_hz", None)
        with placed(root, part.uri) as path:
            sound = audio.decode(path, part.start_s, part.end_s).read_by(part.steps)
        return apply_to_samples(sound.mono(wanted_hz), wanted_hz or sound.rate_hz, part.steps)

    def rendered(self, root: Path, part: Part, options: ShardOptions) -> Rendered:
        assert part.uri is not None
        with placed(root, part.uri) as path:
            return self._rendered(path, part, part.uri, options)

    def _rendered(self, path: Path, part: Part, uri: str, options: ShardOptions) -> Rendered:
        """The same of a part whose file lies at ``path``."""
        from ...media import audio
        from ...media.steps import apply_with_notes

        rate_hz = options.sample_rate_hz
        ending = _COPIED.get(PurePosixPath(uri).suffix.lower())
        is_whole = part.start_s is None and part.end_s is None and not part.steps
        if (
            is_whole
            and ending
            and (rate_hz is None or (part.sample_rate_hz == rate_hz and part.channels == 1))
        ):
            data = path.read_bytes()
            if options.verify and part.duration_s is None:
                audio.decode(path)
            return Rendered(ending, data)
        sound = audio.decode(path, part.start_s, part.end_s).read_by(part.steps)
        samples = sound.mono(rate_hz) if rate_hz else sound.samples
        rate_hz = rate_hz or sound.rate_hz
        changed = apply_with_notes(samples, rate_hz, part.steps)
        return Rendered("flac", audio.encode_flac(changed.samples, rate_hz), changed.note)

    def estimated_bytes(self, part: Part, options: ShardOptions) -> int:
        if not part.duration_s or (part.end_s is None and not options.sample_rate_hz):
            return part.bytes or 0
        return round(
            (part.seconds() or part.duration_s)
            * (options.sample_rate_hz or part.sample_rate_hz or _USUAL_RATE_HZ)
            * 1.2
        )

    def longest(self, options: AudioOptions) -> float:
        return options.seconds

    def spec(self) -> AudioSpec:
        from .spec import AudioSpec

        return AudioSpec()

    def input_spec(
        self, options: AudioOptions, fitted: Mapping[str, object], training: bool
    ) -> AudioSpec:
        from .spec import AudioSpec

        return AudioSpec(rate_hz=options.rate_hz, seconds=options.seconds)


__all__ = ["Audio", "AudioOptions"]
