"""Features without weights, by answers known from their definitions."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modalmill.schemas.fingerprint import fingerprint
from modalmill.stages.base import deciding_options
from modalmill.stages.features.audio import Audio
from modalmill.stages.features.image import Image
from modalmill.stages.features.text import Text
from modalmill.stages.features.video import Video
from modalmill.stages.media.spectrum import log_mel, mfcc
from tiny import tone


def test_a_plain_red_image_is_one_bin_of_each_channel_in_every_cell() -> None:
    stage = Image(grid=2, colours=8, angles=9)
    red = np.zeros((100, 100, 3), np.uint8)
    red[..., 0] = 255
    cells = stage.extract(red).reshape(4, 3 * 8 + 9)
    wanted = np.zeros(33)
    wanted[[0, 15, 23]] = 1 / np.sqrt(3)  # hue 0, full saturation, full value, no edges
    np.testing.assert_allclose(cells, np.tile(wanted, (4, 1)), atol=1e-5)


@pytest.mark.parametrize(("across", "bin_"), [(True, 0), (False, 4)])
def test_stripes_have_the_gradient_of_their_direction(across: bool, bin_: int) -> None:
    row = np.where(np.arange(192) // 8 % 2, 255, 0).astype(np.uint8)
    gray = np.tile(row, (192, 1)) if across else np.tile(row[:, None], (1, 192))
    edges = Image(grid=1, colours=8, angles=9).extract(np.repeat(gray[..., None], 3, 2))[24:]
    assert edges.argmax() == bin_
    assert edges[bin_] > 100 * np.delete(edges, bin_).max()


def test_a_mirrored_image_has_its_cells_mirrored() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (192, 192, 3)).astype(np.uint8)
    stage = Image(grid=4, angles=1)
    cells = stage.extract(picture).reshape(4, 4, -1)
    np.testing.assert_allclose(
        stage.extract(picture[:, ::-1].copy()).reshape(4, 4, -1), cells[:, ::-1], atol=1e-5
    )


def test_a_still_video_has_no_change_and_a_moving_one_has_it_in_its_cell() -> None:
    stage = Video(frames=3)
    still = np.full((3, 64, 64, 3), 90, np.uint8)
    size = Image(grid=stage.grid).dims()
    vector = stage.extract(still)
    assert len(vector) == stage.dims()
    assert not vector[size:].any()
    moving = still.copy()
    moving[:, :16, 16:32] = np.array([0, 255, 0], np.uint8)[:, None, None, None]
    change = stage.extract(moving)[-16:]
    assert change[1] == pytest.approx(1.0)
    assert not np.delete(change, 1).any()


@given(st.floats(-20, 20))
def test_louder_sound_moves_the_means_of_bands_alone(decibels: float) -> None:
    stage = Audio()
    sound = (0.01 * np.random.default_rng(1).standard_normal(16_000)).astype(np.float32)
    change = stage.extract(sound * np.float32(10 ** (decibels / 20))) - stage.extract(sound)
    mean, deviation = np.split(change, 2)
    np.testing.assert_allclose(deviation, 0, atol=1e-3)
    # 40 mel and 24 Bark bands, in tens of decibels
    np.testing.assert_allclose(mean[20:], decibels / 10, atol=1e-3)
    np.testing.assert_allclose(mean[1:20], 0, atol=1e-3)
    # the first coefficient of an orthonormal DCT
    assert mean[0] == pytest.approx(np.sqrt(40) * decibels / 10, abs=1e-3)


@pytest.mark.parametrize("seconds", [0.05, 1.0])
def test_deltas_are_those_of_librosa_and_leave_the_rest_as_it_is(seconds: float) -> None:
    sound = tone(440, seconds, 16_000) * np.linspace(0, 1, round(seconds * 16_000), dtype="f4")
    plain, more = Audio().extract(sound), Audio(deltas=True).extract(sound)
    assert len(more) == Audio(deltas=True).dims()
    mean, deviation = np.split(more, 2)
    np.testing.assert_array_equal(np.concatenate([mean[:84], deviation[:84]]), plain)
    cepstrum = mfcc(log_mel(sound, 16_000, 40), 20) / 10
    for order, own in ((1, slice(84, 104)), (2, slice(104, 124))):
        mode = "interp" if seconds == 1.0 else "nearest"
        wanted = librosa.feature.delta(cepstrum, order=order, mode=mode)
        np.testing.assert_allclose(mean[own], wanted.mean(1), atol=1e-5)
        np.testing.assert_allclose(deviation[own], wanted.std(1), atol=1e-5)


def test_options_that_came_later_leave_the_identity_as_it_was() -> None:
    options = {"rate_hz": 16_000, "mels": 40, "barks": 24, "coefficients": 20}
    assert Audio().identity() == fingerprint("features.audio", 1, options)
    assert deciding_options(Audio()) == options
    assert Audio(deltas=True).identity() != Audio().identity()
    assert deciding_options(Audio(deltas=True)) == {**options, "deltas": True}


def test_weights_of_words_are_their_inverse_document_frequencies() -> None:
    stage = Text(size=4096, ngrams=1)
    weights = stage.fit(["the cat", "the dog", "the bird"])
    place = {word: int(np.abs(stage.extract(word)).argmax()) for word in ("the", "cat", "fish")}
    assert weights[place["the"]] == pytest.approx(1.0)
    assert weights[place["cat"]] == pytest.approx(np.log(4 / 2) + 1)
    assert weights[place["fish"]] == pytest.approx(np.log(4) + 1)
    vector = stage.weigh(stage.extract("the cat the cat the"), weights)
    assert np.linalg.norm(vector) == pytest.approx(1.0)
    ratio = abs(vector[place["the"]] / vector[place["cat"]])
    assert ratio == pytest.approx(np.log(4) / (np.log(3) * (np.log(2) + 1)), rel=1e-5)


def test_pairs_of_words_tell_texts_of_the_same_words_apart() -> None:
    one, other = "dog bites man", "man bites dog"
    assert np.array_equal(Text(ngrams=1).extract(one), Text(ngrams=1).extract(other))
    assert not np.array_equal(Text(ngrams=2).extract(one), Text(ngrams=2).extract(other))
    assert not Text().extract("?!").any()
