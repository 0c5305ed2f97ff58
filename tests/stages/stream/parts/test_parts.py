"""What each spec makes of a part: against the formula, an independent decoder, or planted
values.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from modalmill.stages import stream
from modalmill.stages.media import image as images
from modalmill.stages.modalities.image.spec import _inception_crop
from modalmill.stages.modalities.text.words import build_vocabulary, words
from modalmill.stages.stream.order.draws import draws_of
from tiny import jpeg, mp4, png, tone, wav

DRAWS = draws_of(7, np.arange(200))


def filled(
    spec: stream.ImageSpec | stream.AudioSpec | stream.VideoSpec, data: bytes, place: int = 0
) -> np.ndarray:
    shape, kind = spec.layout()
    out = np.full(shape, 7, kind)
    spec.fill(data, out, DRAWS[place])
    return out


def test_draws_are_uniform_and_belong_to_their_position() -> None:
    draws = draws_of(3, np.arange(20_000))
    numbers = np.array([one.uniform for one in draws])
    assert np.abs(np.histogram(numbers, 20, (0, 1))[0] / 4000 - 1).max() < 0.08
    assert np.abs(np.corrcoef(numbers.T) - np.eye(4)).max() < 0.03
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.03
    later = draws_of(3, np.arange(500, 510))
    assert [one.uniform for one in later] == [one.uniform for one in draws[500:510]]
    assert (
        later[0].generator().integers(1 << 40)
        == draws[500].generator().integers(1 << 40)
        != draws[501].generator().integers(1 << 40)
    )


@pytest.mark.parametrize("flip", [False, True])
def test_normalised_images_are_what_the_formula_says(flip: bool) -> None:
    data = jpeg(60, 80)
    mean, std = stream.IMAGENET_MEAN, stream.IMAGENET_STD
    for place in range(6):
        plain = filled(stream.ImageSpec(size=32, crop="random", flip=flip), data, place)
        found = filled(
            stream.ImageSpec(size=32, crop="random", flip=flip, normalize=(mean, std)), data, place
        )
        wanted = (
            torch.from_numpy(plain).permute(2, 0, 1).float() / 255
            - torch.tensor(mean)[:, None, None]
        ) / torch.tensor(std)[:, None, None]
        assert np.abs(found - wanted.numpy()).max() < 1e-5


def test_a_random_crop_is_a_window_of_the_image_and_goes_everywhere() -> None:
    data = jpeg(40, 48)
    whole = images.decode(data)
    places = set()
    for place in range(200):
        window = filled(stream.ImageSpec(size=32, crop="random", flip=True), data, place)
        found = [
            (top, left, mirrored)
            for top in range(9)
            for left in range(17)
            for mirrored in (False, True)
            if np.array_equal(
                whole[top : top + 32, left : left + 32][:, :: -1 if mirrored else 1], window
            )
        ]
        assert found
        places.add(found[0])
    assert {top for top, _, _ in places} == set(range(9))
    assert {left for _, left, _ in places} == set(range(17))
    assert {mirrored for _, _, mirrored in places} == {False, True}


@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 2**32))
def test_a_resized_crop_lies_within_the_image(height: int, width: int, seed: int) -> None:
    top, left, tall, wide = _inception_crop(height, width, np.random.default_rng(seed))
    assert 0 <= top <= top + tall <= height
    assert 0 <= left <= left + wide <= width
    assert tall > 0
    assert wide > 0


def test_resized_crops_have_the_areas_and_aspects_they_should() -> None:
    found = np.array(
        [_inception_crop(300, 400, np.random.default_rng(seed))[2:] for seed in range(2000)]
    )
    areas, aspects = found.prod(1) / (300 * 400), found[:, 1] / found[:, 0]
    assert areas.min() > 0.07
    assert areas.max() <= 1.0
    assert 0.35 < areas.mean() < 0.56
    assert aspects.min() > 0.74
    assert aspects.max() < 1.35
    assert filled(stream.ImageSpec(size=24, crop="random_resized"), png(60, 90)).shape == (
        24,
        24,
        3,
    )


def test_a_random_stretch_of_a_sound_is_a_stretch_of_it() -> None:
    ramp = np.linspace(-0.9, 0.9, 16_000).astype(np.float32)
    buffer = io.BytesIO()
    soundfile.write(buffer, ramp, 8000, format="WAV", subtype="FLOAT")
    starts = []
    for place in range(60):
        out = filled(
            stream.AudioSpec(rate_hz=8000, seconds=0.5, crop="random"), buffer.getvalue(), place
        )
        start = int(np.argmin(np.abs(ramp - out[0])))
        assert np.array_equal(out, ramp[start : start + 4000])
        starts.append(start)
    assert min(starts) < 1500
    assert max(starts) > 10_500
    assert np.array_equal(
        filled(stream.AudioSpec(rate_hz=8000, seconds=0.5), buffer.getvalue()), ramp[:4000]
    )


def test_a_resampled_sound_is_the_same_tone() -> None:
    out = filled(
        stream.AudioSpec(rate_hz=16_000, seconds=1), wav(hertz=1000, seconds=1, rate_hz=44_100)
    )
    wanted = tone(1000, 1, 16_000)
    assert np.abs(out[200:-200] - wanted[200:-200]).max() < 0.01


def test_a_clip_is_consecutive_frames_from_anywhere() -> None:
    film = mp4(frames=10, fps=10, sound=False)  # the grey of frame n is 20 + 20 n

    def numbers(place: int, **options: Any) -> list[int]:
        return [
            round((float(frame.mean()) - 20) / 20)
            for frame in filled(stream.VideoSpec(frames=4, size=16, **options), film, place)
        ]

    assert numbers(0, seconds=0.4) == [0, 1, 2, 3]
    assert numbers(0, seconds=60.0) == numbers(0) == [1, 3, 6, 8]
    begins = {tuple(numbers(place, seconds=0.4, crop="random")) for place in range(100)}
    assert begins == {tuple(range(begin, begin + 4)) for begin in range(7)}


def test_sounds_that_libsndfile_cannot_read_come_by_ffmpeg() -> None:
    film = mp4(frames=20, fps=10)  # 2 s of 600 Hz as AAC
    found = filled(stream.AudioSpec(rate_hz=8000, seconds=1.0), film)
    spectrum = np.abs(np.fft.rfft(found * np.hanning(len(found))))
    assert np.argmax(spectrum) == 600
    pieces = {
        filled(stream.AudioSpec(rate_hz=8000, seconds=1.0, crop="random"), film, place).tobytes()
        for place in range(5)
    }
    assert len(pieces) == 5


def test_transforms_get_the_decoded_part_and_a_generator_of_its_own() -> None:
    def shade(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return np.full_like(pixels, random.integers(256))

    spec = stream.ImageSpec(size=16, transform=shade)
    values = [int(filled(spec, jpeg(), place)[0, 0, 0]) for place in range(20)]
    assert values == [int(filled(spec, jpeg(), place)[0, 0, 0]) for place in range(20)]
    assert len(set(values)) > 10
    louder = stream.AudioSpec(rate_hz=8000, seconds=0.5, transform=lambda samples, _: samples * 2)
    assert np.allclose(
        filled(louder, wav(level := 440.0)),
        2 * filled(stream.AudioSpec(rate_hz=8000, seconds=0.5), wav(level)),
    )
    last = stream.VideoSpec(frames=4, size=16, transform=lambda frames, _: frames[::-1])
    assert np.array_equal(
        filled(last, mp4()), filled(stream.VideoSpec(frames=4, size=16), mp4())[::-1]
    )
    row = np.zeros(4, np.int64)
    assert stream.TextSpec(length=4, tokenize=lambda text: [len(text)] * 9).fill("abc", row) == 4
    assert row.tolist() == [3] * 4
    assert stream.TextSpec(transform=lambda text, _: text.upper()).value("abc", DRAWS[0]) == "ABC"


def test_ragged_parts_have_a_mask(uneven_shards: Path) -> None:
    spec = stream.AudioSpec(rate_hz=8000, seconds=0.5)
    for batch in stream.open(uneven_shards, batch_size=32, parts={"audio": spec}, drop_last=False):
        mask = batch.mask("audio")
        assert mask.sum(1).tolist() == batch.lengths["audio"].tolist()
        assert (batch.lengths["audio"] > 0).tolist() == batch.present_BM[:, 0].tolist()
        assert not batch.parts["audio"][~mask].any()


def test_buckets_give_each_class_of_length_its_own_shape(uneven_shards: Path) -> None:
    options = {
        "parts": {"audio": stream.AudioSpec(rate_hz=8000)},
        "where": "'audio' in parts",
        "drop_last": False,
        "batch_size": 8,
    }
    shapes, seen = {}, []
    one = stream.open(uneven_shards, buckets={"audio": [0.2, 0.4, 0.5]}, **options)
    for batch in one:
        real = batch.lengths["audio"][batch.weight_B > 0]
        shapes.setdefault(batch.parts["audio"].shape[1], set()).update(real.tolist())
        seen += [key for key in batch.keys if key]
    assert shapes == {1600: {800, 1600}, 3200: {2400, 3200}, 4000: {4000}}
    assert len(seen) == len(set(seen)) == 130
    cut = stream.open(uneven_shards, buckets={"audio": [0.1]}, **options)
    assert {batch.parts["audio"].shape[1] for batch in cut} == {800}
    for buckets, what in (
        ({"image": [1]}, "no part is called 'image'; known are: audio"),
        ({"audio": []}, "lengths above 0"),
        ({"a": [1], "b": [1]}, "one part"),
    ):
        with pytest.raises(stream.InputError, match=what):
            stream.open(uneven_shards, buckets=buckets, **options)


def test_buckets_of_texts_go_by_their_tokens(vqa_shards: Path) -> None:
    spec = stream.TextSpec(vocabulary={"what": 2})
    one = stream.open(
        vqa_shards,
        batch_size=4,
        parts={"question": spec},
        buckets={"question": [3, 30]},
        drop_last=False,
    )
    assert {batch.parts["question"].shape[1] for batch in one} <= {3, 30}
    assert sum(int((batch.weight_B > 0).sum()) for batch in one) == 20


def test_json_and_bytes_come_as_they_are(vqa_shards: Path) -> None:
    batch = next(iter(stream.open(vqa_shards, batch_size=4, parts={"image": stream.BytesSpec()})))
    assert all(images.size(data) == (64, 48) for data in batch.lists["image"])
    with pytest.raises(stream.InputError, match="image is image, it cannot be read by JsonSpec"):
        stream.open(vqa_shards, parts={"image": stream.JsonSpec()})


def test_words_of_every_script_stay_whole() -> None:
    assert words("Größe, пример_1 don't 猫!") == [
        "größe",
        ",",
        "пример",
        "_",
        "1",
        "don't",
        "猫",
        "!",
    ]


def test_long_strips_cost_no_more_than_their_crop() -> None:
    strip = cv2.imencode(".png", np.full((1, 20_000, 3), 90, np.uint8))[1].tobytes()
    assert (filled(stream.ImageSpec(size=224, crop="random"), strip) == 90).all()


def test_sixteen_bits_of_a_tiff_are_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    data = cv2.imencode(".tif", ramp)[1].tobytes()
    assert np.abs(images.decode(data)[:, :, 0].astype(int) - (ramp >> 8)).max() <= 1


def test_a_vocabulary_is_the_commonest_words_first() -> None:
    assert build_vocabulary(["a b a", None, "b a c?"], most=3) == {"a": 2, "b": 3, "?": 4}
