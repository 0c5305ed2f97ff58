"""Masks of sounds: what librosa's spectrograms show of them."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.record import Origin, Part, Record, Step
from modalmill.stages.augment.spec_augment import SpecAugment
from modalmill.stages.copies import seed_of
from modalmill.stages.media.sound_masks import without_bands
from modalmill.stages.media.steps import apply_to_samples

RATE_HZ, SECONDS, FFT, HOP = 16_000, 3, 2048, 160
NOISE = (0.1 * np.random.default_rng(0).standard_normal(SECONDS * RATE_HZ)).astype(np.float32)
RECORD = Record("k", "k", Origin("s", "f"), {"voice": Part("audio", uri="a.wav")})


def masked(samples: np.ndarray, **options: object) -> np.ndarray:
    return apply_to_samples(samples, RATE_HZ, [Step("mask", options)])


def log_mel(samples: np.ndarray) -> np.ndarray:
    """In decibels ``[80, T]``, its floor 80 dB below the loudest."""
    bands = librosa.feature.melspectrogram(
        y=samples, sr=RATE_HZ, n_fft=FFT, hop_length=HOP, n_mels=80
    )
    return librosa.power_to_db(bands, top_db=80.0)


def copies_of(stage: SpecAugment, seed: int = 1) -> list[Record]:
    return [row.record for row in stage.process(RECORD, seed, stage.address)][1:]


def test_a_spectrogram_is_at_its_floor_inside_of_the_masks_and_as_it_was_outside() -> None:
    found = log_mel(masked(NOISE, bands=[[500, 800], [2000, 3000]], spans=[[0.6, 0.5]], most=0.15))
    before = log_mel(NOISE)
    # 0.15 of 3 s are less than 0.6 s, in the middle of the rest
    begin, end = 1.275, 1.725
    edges = librosa.mel_frequencies(82, fmin=0, fmax=RATE_HZ / 2)
    low, high, close_hz = edges[:-2], edges[2:], 100
    times = np.arange(found.shape[1]) * HOP / RATE_HZ
    # half a window, and how long the filter rings
    smeared_s = FFT / 2 / RATE_HZ + 0.065
    is_near = (times < smeared_s) | (times > SECONDS - smeared_s)
    is_open = ((times < begin - smeared_s) | (times > end + smeared_s)) & ~is_near
    in_band = (low >= 2000 + close_hz) & (high <= 3000 - close_hz)
    in_no_band = (
        (high <= 500 - close_hz)
        | ((low >= 800 + close_hz) & (high <= 2000 - close_hz))
        | (low >= 3000 + close_hz)
    )
    assert in_band.sum() >= 5
    assert (found[in_band][:, is_open] == found.min()).all()
    assert np.abs(found - before)[in_no_band][:, is_open].max() < 0.01
    silent = (times > begin + FFT / 2 / RATE_HZ + 0.01) & (times < end - FFT / 2 / RATE_HZ - 0.01)
    assert silent.sum() > 20
    assert (found[:, silent] == found.min()).all()


@pytest.mark.parametrize("rate_hz", [8000, 44_100])
def test_a_band_is_90_db_down_and_its_edges_are_40_hz_wide(rate_hz: int) -> None:
    """What Kaiser (1974) says of the filter, as the spectrum of what it makes of a click."""
    click = np.zeros(2 * rate_hz + 1, np.float32)
    click[rate_hz] = 1.0
    bands = [(0.0, 200.0), (900.0, 1100.0), (1000.0, 1500.0), (3500.0, 9e9)]
    found = without_bands(click, rate_hz, bands)
    assert found.argmax() == rate_hz
    assert found == pytest.approx(found[::-1], abs=1e-6)
    hertz, gain = np.fft.rfftfreq(len(found), 1 / rate_hz), np.abs(np.fft.rfft(found))
    inside = (hertz < 180) | ((hertz > 920) & (hertz < 1480)) | (hertz > 3520)
    outside = ((hertz > 220) & (hertz < 880)) | ((hertz > 1520) & (hertz < 3480))
    assert 20 * np.log10(gain[inside].max()) < -88
    assert gain[outside] == pytest.approx(1.0, abs=1e-4)


@given(seconds=st.floats(0, 4), place=st.floats(0, 1), most=st.floats(0.01, 1))
def test_a_span_is_silent_and_no_sample_outside_of_it_is_changed(
    seconds: float, place: float, most: float
) -> None:
    sound = np.stack([NOISE[:8000] + 1.0] * 2, 1) / 2
    found = masked(sound, spans=[[seconds, place]], most=most)
    changed = np.flatnonzero((found != sound).any(axis=1))
    wanted = min(seconds, most * 0.5) * RATE_HZ
    assert len(changed) == pytest.approx(wanted, abs=1.01)
    if len(changed):
        assert np.array_equal(changed, np.arange(changed[0], changed[-1] + 1))
        assert changed[0] == pytest.approx(place * (8000 - wanted), abs=1.01)
        # 5 ms fade at either end
        assert not found[changed[0] : changed[-1] + 1][81:-81].any()


def test_masks_are_drawn_as_wide_as_the_options_say() -> None:
    stage = SpecAugment(band=(0.1, 0.3), span_s=(0.2, 0.5), copies=200, only_split="")
    steps = [copy.parts["voice"].steps[0] for copy in copies_of(stage)]
    assert {step.op for step in steps} == {"mask"}
    hertz = np.array([step.options["bands"] for step in steps])
    assert hertz.shape == (200, 2, 2)
    shares = librosa.hz_to_mel(hertz) / librosa.hz_to_mel(8000)
    widths = shares[..., 1] - shares[..., 0]
    assert (widths.min(), widths.max()) == pytest.approx((0.1, 0.3), abs=0.01)
    assert (shares.min(), shares.max()) == pytest.approx((0.0, 1.0), abs=0.02)
    spans = np.array([step.options["spans"] for step in steps])
    assert spans[..., 0].min() >= 0.2
    assert spans[..., 0].max() <= 0.5
    assert widths.mean() == pytest.approx(0.2, abs=0.01)


def test_a_copy_is_drawn_from_seed_key_and_number_alone() -> None:
    copies = copies_of(SpecAugment(copies=3, only_split=""))
    assert len({str(copy.parts["voice"].steps) for copy in copies}) == 3
    stage = SpecAugment(only_split="")
    assert copies_of(stage)[0].parts == copies[0].parts
    assert copies_of(stage, seed=2)[0].parts != copies[0].parts
    rng = np.random.default_rng(5)
    assert stage.copy(RECORD, 2, seed_of(rng), "augment.spec_augment").key == "k-masked2"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"bands": -1}, "bands: wanted 0 or more"),
        ({"bands": 0, "spans": 0}, "wanted one of them at least"),
        ({"bands": 1, "band": (0.0, 0.0), "spans": 0}, "wanted one of them at least"),
        ({"band": (0.3, 0.2)}, "the lowest, then the highest"),
        ({"to_hz": 0.0}, "to_hz: wanted hertz above 0"),
        ({"most": 1.5}, "most: wanted a share"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SpecAugment(**options)  # type: ignore[arg-type]
