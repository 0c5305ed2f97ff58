"""The rates of libraries of which people take one function: librosa, scikit-image, scikit-learn,
pyloudnorm and nlpaug. INPUTS [ONLY]
"""

from __future__ import annotations

import librosa
import nlpaug.augmenter.char
import nlpaug.augmenter.word
import numpy as np
import pyloudnorm
import soxr
from _rates import RATE_HZ, started
from skimage.color import rgb2gray
from skimage.feature import hog, local_binary_pattern
from skimage.measure import blur_effect, shannon_entropy
from skimage.restoration import estimate_sigma
from skimage.transform import resize
from sklearn.feature_extraction.text import HashingVectorizer

_MUSIC_HZ, _FFT, _HOP = 22_050, 2048, 512
_SIDE = 192


def mfcc_and_bands(sound: np.ndarray) -> np.ndarray:
    bands = librosa.feature.melspectrogram(
        y=sound, sr=RATE_HZ, n_fft=1024, hop_length=256, n_mels=40
    )
    level = librosa.power_to_db(bands)
    found = np.concatenate([librosa.feature.mfcc(S=level, n_mfcc=20), level])
    return np.concatenate([found.mean(1), found.std(1)])


def music(sound: np.ndarray) -> list[np.ndarray]:
    return [
        librosa.feature.chroma_stft(y=sound, sr=_MUSIC_HZ, tuning=0.0),
        librosa.feature.spectral_contrast(y=sound, sr=_MUSIC_HZ),
        librosa.feature.tempo(y=sound, sr=_MUSIC_HZ),
    ]


def timbre(sound: np.ndarray) -> np.ndarray:
    return librosa.feature.mfcc(
        y=sound, sr=RATE_HZ, n_mfcc=13, n_mels=40, n_fft=512, hop_length=320
    )


def pitches(sound: np.ndarray) -> np.ndarray:
    return librosa.feature.chroma_stft(
        y=sound, sr=_MUSIC_HZ, n_fft=4096, hop_length=441, tuning=0.0
    )


def gradients(picture: np.ndarray) -> np.ndarray:
    return hog(picture, orientations=9, pixels_per_cell=(48, 48), cells_per_block=(1, 1))


def patterns(picture: np.ndarray) -> np.ndarray:
    found = local_binary_pattern(picture, 8, 1.0, "uniform")
    return np.bincount(found.astype(int).ravel(), minlength=10)


def main() -> None:
    inputs, told = started()
    meter = pyloudnorm.Meter(RATE_HZ)
    at_music = [soxr.resample(own, RATE_HZ, _MUSIC_HZ) for own in inputs.sounds]
    grays = [
        (255 * resize(rgb2gray(own), (_SIDE, 256))).astype(np.uint8) for own in inputs.pictures
    ]
    squares = [np.ascontiguousarray(own[:, :_SIDE]) for own in grays]
    for operator, called, work, sounds in (
        ("features.audio", "librosa mfcc, melspectrogram", mfcc_and_bands, inputs.sounds),
        ("features.music", "librosa chroma, contrast, tempo", music, at_music),
        ("audio.mfcc", "librosa mfcc", timbre, inputs.sounds),
        ("audio.chroma", "librosa chroma_stft", pitches, at_music),
        ("audio.loudness", "pyloudnorm", meter.integrated_loudness, inputs.sounds),
    ):
        told.measure(f"sounds|{operator}", called, work, sounds, inputs.seconds)
    for operator, called, work, pictures in (
        ("features.image", "scikit-image hog, of 192 x 192 grey", gradients, squares),
        ("features.lbp", "scikit-image, of 256 x 192 grey", patterns, grays),
        ("image.noise", "scikit-image estimate_sigma", noise, inputs.pictures),
        ("image.entropy", "scikit-image shannon_entropy", gray_entropy, inputs.pictures),
        ("image.sharpness", "scikit-image blur_effect", blur, inputs.pictures),
    ):
        told.measure(f"pictures|{operator}", called, work, pictures)
    vectorizer = HashingVectorizer(n_features=512, ngram_range=(1, 2))
    for kind, texts in inputs.texts.items():
        batches = [texts[first : first + 1000] for first in range(0, len(texts), 1000)]
        told.measure(
            f"{kind}|features.text",
            "scikit-learn HashingVectorizer",
            vectorizer.transform,
            batches,
            len(texts) / len(batches),
        )
        for operator, called, augmenter in (
            (
                "augment.text dropout",
                "nlpaug RandomWordAug delete",
                nlpaug.augmenter.word.RandomWordAug(action="delete", aug_p=0.1),
            ),
            (
                "augment.text typos",
                "nlpaug KeyboardAug",
                nlpaug.augmenter.char.KeyboardAug(aug_char_p=0.1, aug_word_p=0.1),
            ),
        ):
            told.measure(f"{kind}|{operator}", called, augmenter.augment, texts)
    told.print("librosa", "scikit-image", "scikit-learn", "pyloudnorm", "nlpaug")


def gray_entropy(picture: np.ndarray) -> float:
    return float(shannon_entropy(as_bytes(rgb2gray(picture))))


def as_bytes(gray: np.ndarray) -> np.ndarray:
    return (255 * gray).astype(np.uint8)


def noise(picture: np.ndarray) -> object:
    return estimate_sigma(rgb2gray(picture))


def blur(picture: np.ndarray) -> object:
    return blur_effect(rgb2gray(picture))


if __name__ == "__main__":
    main()
