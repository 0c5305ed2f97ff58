"""Sounds as the augmenting stages change them: what theory, FFmpeg and numpy say they become."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from by_ffmpeg import sound_after
from modalmill.pipeline.run import Result
from modalmill.schemas.errors import DamageError, RecipeError
from modalmill.schemas.manifest import Row, rows_to_table
from modalmill.schemas.quantity import fact_column
from modalmill.schemas.record import Cue, Origin, Part, Record, Step
from modalmill.stages.augment.filter import Filter
from modalmill.stages.augment.mix import Mix
from modalmill.stages.augment.pitch import Pitch
from modalmill.stages.augment.room import Room
from modalmill.stages.augment.spec_augment import SpecAugment
from modalmill.stages.augment.speed import Speed
from modalmill.stages.base import RecordStage
from modalmill.stages.media.sound_steps import active_power, made_response
from modalmill.stages.media.steps import apply_to_samples
from modalmill.stages.modality import modality
from tiny import recipe, tone, wav, write
from written import annotations, sounds

Run = Callable[..., Result]
RATE_HZ = 16_000
FOLDER = {"s": {"type": "audio_folder", "path": "raw", "id": "{stem}"}}


def after(samples: np.ndarray, op: str, **options: Any) -> np.ndarray:
    return apply_to_samples(samples.astype(np.float32), RATE_HZ, [Step(op, options)])


def pitch_of(samples: np.ndarray) -> float:
    """The strongest frequency, to a hertz or two, of the middle of a sound."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 8 * len(middle)))
    return float(power.argmax() * RATE_HZ / (8 * len(middle)))


def copies_of(stage: RecordStage, record: Record, seed: int = 0) -> list[Record]:
    return [row.record for row in stage.process(record, seed, stage.address)][1:]


def spoken(**more: Part) -> Record:
    """A recording of 4 s, cut to 3 s, with two words."""
    cues = (Cue(0.5, 1.0, "one"), Cue(2.0, 2.5, "two"))
    parts = {
        "voice": Part("audio", uri="a.wav", duration_s=4.0, start_s=1.0, end_s=4.0),
        "words": Part("text", text="one two", cues=cues),
    }
    return Record("k", "k", Origin("s", "f"), {**parts, **more})


# --- speed ---


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_speed_changes_length_and_pitch_as_ffmpeg_does(tmp_path: Path, factor: float) -> None:
    sound = tone(440, 2.0, RATE_HZ)
    faster = after(sound, "speed", factor=factor, keep_pitch=False)
    assert len(faster) == round(len(sound) / factor)
    assert pitch_of(faster) == pytest.approx(440 * factor, rel=0.005)
    soundfile.write(tmp_path / "a.wav", sound, RATE_HZ, subtype="FLOAT")
    rates = [("asetrate", f"{RATE_HZ * factor:.0f}"), ("aresample", f"{RATE_HZ}:filter_size=128")]
    by_ffmpeg = sound_after(tmp_path / "a.wav", rates)[0][:, 0]
    length = min(len(faster), len(by_ffmpeg))
    assert np.abs(faster[:length] - by_ffmpeg[:length])[800 : length - 800].max() < 0.01


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_stretched_sound_keeps_its_pitch(factor: float) -> None:
    sound = tone(440, 2.0, RATE_HZ)
    slower = after(np.stack([sound, sound], 1), "speed", factor=factor, keep_pitch=True)
    assert slower.shape[1] == 2
    assert len(slower) == pytest.approx(len(sound) / factor, abs=1)
    assert pitch_of(slower[:, 0]) == pytest.approx(440, rel=0.005)


def test_words_and_lengths_go_with_the_speed() -> None:
    (copy,) = copies_of(Speed(factor=(1.25, 1.25), only_split=""), spoken())
    voice = copy.parts["voice"]
    assert voice.seconds() == pytest.approx(3.0 / 1.25)
    assert [(cue.start_s, cue.end_s) for cue in copy.parts["words"].cues] == [
        pytest.approx((0.4, 0.8)),
        pytest.approx((1.6, 2.0)),
    ]
    # what is cut afterwards is cut in seconds of the faster sound
    cut = modality("audio").cut(voice, 0.4, 0.8)
    assert (cut.start_s, cut.end_s) == pytest.approx((1.5, 2.0))
    assert cut.seconds() == pytest.approx(0.4)
    table = rows_to_table([Row(spoken()), Row(copy), Row(copy.with_part("voice", cut))])
    column = table["parts"].combine_chunks().flatten()
    names = column.field("name").to_pylist()
    lengths = fact_column(column, "duration_s")[[name == "voice" for name in names]]
    assert lengths == pytest.approx([3.0, 2.4, 0.4])


def test_what_runs_at_its_own_speed_gets_no_copy() -> None:
    stage = Speed(only_split="")
    record = spoken(beside=Part("series", uri="b", duration_s=4.0))
    assert copies_of(stage, record) == []
    assert "its series would run on" in stage.remark(record)
    assert stage.remark(spoken()) == ""


def test_a_click_and_its_word_stay_together_in_the_shard(tmp_path: Path, run_recipe: Run) -> None:
    rng = np.random.default_rng(0)
    samples = 0.001 * rng.standard_normal(3 * RATE_HZ)
    samples[2 * RATE_HZ : 2 * RATE_HZ + 400] += tone(1000, 0.025, RATE_HZ)
    (tmp_path / "raw").mkdir()
    soundfile.write(tmp_path / "raw" / "a.wav", samples, RATE_HZ)
    write(tmp_path / "raw" / "a.srt", "1\n00:00:02,000 --> 00:00:02,025\nclick\n")
    source = {**FOLDER["s"], "cues": {"words": "raw/{stem}.srt"}}
    for stages in ([], [{"augment.crop_time": {"share": 0.9}}]):
        out = tmp_path / f"out{len(stages)}"
        speed = {"augment.speed": {"factor": [1.2, 1.2]}}
        run_recipe(recipe(tmp_path, {"s": source}, [speed, *stages]), out)
        found, said = sounds(out), annotations(out)
        assert len(found) == 2 * (1 + len(stages))
        for key, (sound, _) in found.items():
            at = float(np.argmax(np.abs(sound[:, 0]) > 0.1)) / RATE_HZ
            cues = said[key]["cues"]["words"]
            assert [cue["start_s"] for cue in cues] == [pytest.approx(at, abs=0.01)]
            if "speed" in key and "time" not in key:
                assert at == pytest.approx(2 / 1.2, abs=0.01)
                assert len(sound) == 3 * RATE_HZ / 1.2


# --- pitch, filter ---


@pytest.mark.parametrize("semitones", [-5.0, 12.0])
def test_pitch_moves_by_semitones_and_nothing_in_time(semitones: float) -> None:
    sound = np.concatenate([np.zeros(RATE_HZ), tone(440, 1.0, RATE_HZ), np.zeros(RATE_HZ)])
    higher = after(sound, "pitch", semitones=semitones)
    assert len(higher) == len(sound)
    assert pitch_of(higher) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.01)
    begins, ends = np.flatnonzero(np.abs(higher) > 0.1)[[0, -1]] / RATE_HZ
    assert (begins, ends) == pytest.approx((1.0, 2.0), abs=0.07)


@pytest.mark.parametrize("hertz", [125.0, 250.0, 500.0, 1000.0, 2000.0])
@pytest.mark.parametrize(("kind", "sign"), [("highpass_hz", -1), ("lowpass_hz", 1)])
def test_a_filter_has_the_response_of_theory(hertz: float, kind: str, sign: int) -> None:
    """Butterworth of the second order, twice: an amplitude of 1 / (1 + (f / f_0)^4), frequencies as
    the bilinear transform bends them.
    """
    sound = tone(hertz, 2.0, RATE_HZ)
    found = after(sound, "filter", **{kind: 500.0})[8000:-8000]
    bent = np.tan(np.pi * hertz / RATE_HZ) / np.tan(np.pi * 500 / RATE_HZ)
    gain = np.sqrt(np.square(found).mean() / np.square(sound[8000:-8000]).mean())
    assert gain == pytest.approx(1 / (1 + bent ** (4 * sign)), rel=0.05)


def test_a_filter_shifts_nothing_and_one_beyond_the_rate_takes_nothing() -> None:
    click = np.zeros(RATE_HZ)
    click[5000] = 1.0
    assert np.abs(after(click, "filter", lowpass_hz=2000.0)).argmax() == 5000
    sound = tone(440, 0.5, RATE_HZ)
    assert np.array_equal(after(sound, "filter", lowpass_hz=8000.0), sound)
    assert not after(sound, "filter", highpass_hz=9000.0).any()


# --- room ---


@pytest.mark.parametrize("decay_s", [0.3, 0.8])
def test_a_made_room_decays_as_it_says(decay_s: float) -> None:
    """The backward integral (Schroeder 1965) falls by 60 dB in the reverberation time."""
    response = made_response(RATE_HZ, decay_s, 0.0, 7).astype(float)
    energy = np.square(response[1:])
    assert 10 * np.log10(1 / energy.sum()) == pytest.approx(0.0, abs=0.01)
    left_db = 10 * np.log10(np.cumsum(energy[::-1])[::-1] / energy.sum())
    times = np.arange(len(left_db)) / RATE_HZ
    fitted = (left_db < -5) & (left_db > -35)  # T30 of ISO 3382
    slope = np.polyfit(times[fitted], left_db[fitted], 1)[0]
    assert -60 / slope == pytest.approx(decay_s, rel=0.05)


def test_a_room_is_a_convolution_that_moves_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    direct_after = 160  # of the way from the mouth to the microphone
    response = np.concatenate([np.zeros(direct_after), [0.8], 0.2 * rng.standard_normal(2000)])
    soundfile.write(tmp_path / "hall.wav", response.clip(-0.79, 0.8), RATE_HZ, subtype="FLOAT")
    sound = 0.01 * rng.standard_normal(RATE_HZ)
    stage = Room(path=tmp_path, only_split="")
    (copy,) = copies_of(stage, spoken())
    found = apply_to_samples(sound.astype(np.float32), RATE_HZ, copy.parts["voice"].steps)
    wanted = np.convolve(sound, response.clip(-0.79, 0.8)[direct_after:] / 0.8)[: len(sound)]
    assert found == pytest.approx(wanted, abs=1e-5)
    click = np.zeros(RATE_HZ)
    click[3000] = 0.5
    echoing = np.abs(after(click, "reverb", decay_s=0.4, direct_db=3.0, seed=1))
    assert echoing.argmax() == 3000
    assert echoing[:3000].max() < 1e-6
    assert echoing[3001:8000].max() > 0.01


# --- mix ---


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 30.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_mixed_in_lies_below_what_sounds(
    tmp_path: Path, snr_db: float, channels: int
) -> None:
    rng = np.random.default_rng(0)
    speech = 0.1 * rng.standard_normal(2 * RATE_HZ)
    padded = np.concatenate([speech, np.zeros(6 * RATE_HZ)])  # pauses do not count
    stereo = np.stack([padded] * channels, 1)
    soundfile.write(tmp_path / "rain.wav", 0.3 * rng.standard_normal(RATE_HZ), RATE_HZ)
    (copy,) = copies_of(Mix(path=tmp_path, snr_db=(snr_db, snr_db), only_split=""), spoken())
    mixed = apply_to_samples(stereo.astype(np.float32), RATE_HZ, copy.parts["voice"].steps)
    assert mixed.shape == stereo.shape
    assert np.abs(mixed).max() <= 1
    share = float(mixed[: len(speech), 0] @ speech / (speech @ speech))
    noise = mixed[len(speech) :, 0] / share
    found = 10 * np.log10(np.square(speech).mean() / np.square(noise).mean())
    assert found == pytest.approx(snr_db, abs=0.5)
    # a second of rain, again and again
    assert noise[:RATE_HZ] == pytest.approx(noise[RATE_HZ : 2 * RATE_HZ], abs=1e-3)


def test_what_is_mixed_in_begins_where_it_sounds(tmp_path: Path) -> None:
    """A bark of a tenth of a second in three of silence, beneath half a second."""
    bark = np.concatenate([np.zeros(RATE_HZ), tone(700, 0.1, RATE_HZ), np.zeros(2 * RATE_HZ)])
    soundfile.write(tmp_path / "bark.wav", bark, RATE_HZ)
    stage = Mix(path=tmp_path, snr_db=(0, 0), copies=8, only_split="")
    sound = np.zeros(RATE_HZ // 2, np.float32)
    sound[::100] = 0.1
    for copy in copies_of(stage, spoken()):
        mixed = apply_to_samples(sound, RATE_HZ, copy.parts["voice"].steps)
        assert np.abs(mixed - sound)[:320].max() > 0.005


def test_the_level_of_speech_is_that_of_its_sounding_frames() -> None:
    sound = np.concatenate([tone(440, 1.0, RATE_HZ, 0.5), np.zeros(3 * RATE_HZ)])
    assert active_power(sound, RATE_HZ) == pytest.approx(0.125, rel=0.01)
    assert active_power(np.zeros(RATE_HZ, np.float32), RATE_HZ) > 0


def test_a_file_that_is_silent_gone_or_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rain.wav"
    soundfile.write(path, np.zeros(RATE_HZ), RATE_HZ)
    sound = tone(440, 1.0, RATE_HZ)

    def fails(stage: Any, why: str) -> None:
        (copy,) = copies_of(stage, spoken())
        with pytest.raises(DamageError, match=why):
            apply_to_samples(sound, RATE_HZ, copy.parts["voice"].steps)

    fails(Mix(path=path, only_split=""), "silent")
    fails(Room(path=path, only_split=""), "silent")
    stage = Mix(path=path, only_split="")
    (copy,) = copies_of(stage, spoken())
    before = stage.identity()
    soundfile.write(path, np.ones(RATE_HZ) / 3 * np.arange(RATE_HZ) % 1, RATE_HZ)
    assert Mix(path=path, only_split="").identity() != before
    path.unlink()
    # another sound of the same name, since the step was written
    for make, why in ((None, "is not there"), (0.5, "changed since")):
        if make is not None:
            soundfile.write(path, make * np.sin(np.arange(100)), RATE_HZ)
        step = Step("mix", {**copy.parts["voice"].steps[0].options, "hash": f"{make}"})
        with pytest.raises(DamageError, match=why):
            apply_to_samples(sound, RATE_HZ, [step])


# --- all of them ---


def stages_at(path: Path) -> list[Any]:
    for number in range(9):
        wave = 0.1 * np.sin(np.arange(1, 4000) ** (1.2 + number / 10))
        soundfile.write(path / f"rain{number}.wav", wave, RATE_HZ)
    return [
        Speed(copies=2, only_split=""),
        Pitch(copies=2, only_split=""),
        Filter(highpass_hz=(50, 300), lowpass_hz=(2000, 6000), copies=2, only_split=""),
        SpecAugment(copies=2, only_split=""),
        Room(copies=2, only_split=""),
        Room(path=path, copies=9, only_split=""),
        Mix(path=path / "rain0.wav", copies=2, only_split=""),
    ]


def test_a_copy_depends_on_seed_key_and_number_alone(tmp_path: Path) -> None:
    for stage in stages_at(tmp_path):
        copies = copies_of(stage, spoken(), seed=1)
        assert len({copy.key for copy in copies}) == len(copies) == stage.copies
        assert len({str(copy.parts["voice"].steps) for copy in copies}) == len(copies)
        assert copies_of(stage, spoken(), seed=1) == copies
        assert copies_of(stage, spoken(), seed=2) != copies
        steps = copies[0].parts["voice"].steps
        sound = tone(440, 0.6, RATE_HZ)
        once, again = (apply_to_samples(sound, RATE_HZ, steps) for _ in range(2))
        assert once.dtype == np.float32
        assert np.array_equal(once, again)
        assert not np.array_equal(once, sound)


def test_a_recipe_with_all_of_them_runs(tmp_path: Path, run_recipe: Run) -> None:
    (tmp_path / "raw").mkdir()
    soundfile.write(tmp_path / "raw" / "a.wav", np.stack([tone(440, 1.0, RATE_HZ)] * 2, 1), RATE_HZ)
    soundfile.write(tmp_path / "rain.wav", 0.1 * np.sin(np.arange(4000) ** 1.5), RATE_HZ)
    options: Mapping[str, Mapping[str, Any]] = {
        "speed": {}, "pitch": {}, "filter": {"lowpass_hz": [1000, 2000]}, "room": {},
        "mix": {"path": str(tmp_path / "rain.wav")},
        "spec_augment": {"band": [0.1, 0.2]},
    }  # fmt: skip
    for name, own in options.items():
        out = tmp_path / name
        run_recipe(recipe(tmp_path, FOLDER, [{f"augment.{name}": dict(own)}]), out)
        found = sounds(out)
        assert len(found) == 2
        (copy,) = (sound for key, (sound, _) in found.items() if key != "s-a")
        assert copy.shape[1] == 2
        assert np.abs(copy).max() > 0.05


@pytest.mark.parametrize(
    ("address", "options", "told"),
    [
        ("speed", {"factor": [1.2, 0.8]}, "the lowest, then the highest"),
        ("speed", {"factor": [0, 1]}, "within 0.25 and 4"),
        ("pitch", {"semitones": [-50, 0]}, "within -24 and 24"),
        ("filter", {}, "wanted one of them, or both"),
        ("filter", {"highpass_hz": [500, 3000], "lowpass_hz": [2000, 4000]}, "nothing would be"),
        ("room", {"decay_s": [0, 1]}, "within 0.01 and 20"),
        ("mix", {}, "path: is required"),
        ("mix", {"path": "no/such.wav"}, "is not there"),
        ("room", {"path": "empty"}, "has the ending of a sound"),
        ("pitch", {"copies": 0}, "copies: wanted 1 or more"),
        ("room", {"path": "raw", "copies": 3}, "no more than 1 responses"),
    ],
)
def test_a_mistake_is_told_before_anything_is_read(
    tmp_path: Path,
    run_recipe: Run,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    options: dict[str, Any],
    told: str,
) -> None:
    write(tmp_path / "raw" / "a.wav", wav())
    write(tmp_path / "empty" / "a.txt", "")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=told):
        run_recipe(recipe(tmp_path, FOLDER, [{f"augment.{address}": options}]))
