"""Fewer features, by axes that are fitted on the training split: PCA (Hotelling 1933) and LDA
(Fisher 1936, Rao 1948).
"""

from __future__ import annotations

import numpy as np

from ..schemas.errors import InputError

_SHRINKAGE = 1e-4
_NO_SPREAD = 1e-9  # of the whole variance, which float16 cannot tell from nothing


def pca(vectors_NF: np.ndarray, rank: int) -> np.ndarray:
    """The axes of largest variance ``float64 [F, rank]``, orthonormal, of centred vectors; the sign
    of an axis makes its largest weight positive.
    """
    if rank > min(vectors_NF.shape):
        raise InputError(
            f"wanted {rank} principal axes, {vectors_NF.shape[0]} vectors of"
            f" {vectors_NF.shape[1]} features have {min(vectors_NF.shape)}"
        )
    # scipy takes a tenth of a second to load
    import scipy.linalg

    centred = vectors_NF - vectors_NF.mean(0)
    _, _, axes = scipy.linalg.svd(centred, full_matrices=False)
    return _signed(axes[:rank].T)


def lda(vectors_NF: np.ndarray, classes_N: np.ndarray, rank: int) -> np.ndarray:
    """The axes along which classes lie furthest apart for their own spread ``float64 [F, rank]``;
    at most one less than there are classes.

    The covariance within classes is shrunk by 0.0001 of its mean variance, so that there may be
    more features than vectors.
    """
    names, numbers = np.unique(classes_N, return_inverse=True)
    if rank > len(names) - 1:
        raise InputError(
            f"wanted {rank} discriminant axes, {len(names)} classes have at most {len(names) - 1}"
        )
    counts = np.bincount(numbers)
    means = np.stack([vectors_NF[numbers == number].mean(0) for number in range(len(names))])
    within = vectors_NF - means[numbers]
    spread = within.T @ within / len(vectors_NF)
    if np.trace(spread) <= _NO_SPREAD * vectors_NF.var(0).sum():
        raise InputError(
            f"{len(names)} classes have no spread within them (of one vector each, or of equal"
            " ones), by which discriminant axes are measured; take principal axes (pca)"
        )
    spread += _SHRINKAGE * max(1e-12, np.trace(spread) / len(spread)) * np.eye(len(spread))
    import scipy.linalg

    between = (means - vectors_NF.mean(0)) * np.sqrt(counts / len(vectors_NF))[:, None]
    _, axes = scipy.linalg.eigh(between.T @ between, spread)
    return _signed(axes[:, ::-1][:, :rank])


def _signed(axes_FK: np.ndarray) -> np.ndarray:
    largest = np.abs(axes_FK).argmax(0)
    return np.asarray(
        axes_FK * np.where(axes_FK[largest, np.arange(axes_FK.shape[1])] < 0, -1.0, 1.0)
    )
