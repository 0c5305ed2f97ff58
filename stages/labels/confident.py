"""Confident learning: which of the given labels are likely wrong, and how many of each class are
likely of which other one, from probabilities that were predicted out of fold.

Northcutt, Jiang & Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, Journal of
Artificial Intelligence Research 70, 2021.

N records, C classes. All are float64 but ``given_N``, which are numbers of classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# equal probabilities have a mean that may be a last digit above them
_LAST_DIGITS = 1e-9


class Confidence(NamedTuple):
    """What probabilities say of given labels.

    joint_CC: of how many records that were given class i the true one is j; a row sums to the
        records that were given i. likeliest_N: the class of the largest probability.
    self_N: the probability of the given label. margin_N: that less the largest of another class,
        in [-1, 1]. is_error_N: bool.
    """

    joint_CC: np.ndarray
    likeliest_N: np.ndarray
    self_N: np.ndarray
    margin_N: np.ndarray
    is_error_N: np.ndarray


def confidence(probability_NC: np.ndarray, given_N: np.ndarray) -> Confidence:
    """Each class must be given to a record at least."""
    rows = np.arange(len(given_N))
    self_N = probability_NC[rows, given_N]
    others_NC = probability_NC.copy()
    others_NC[rows, given_N] = -1.0
    joint_CC = calibrated(confident_joint(probability_NC, given_N), given_N)
    return Confidence(
        joint_CC,
        probability_NC.argmax(1),
        self_N,
        self_N - np.maximum(others_NC.max(1), 0.0),
        pruned_by_noise_rate(probability_NC, given_N, joint_CC),
    )


def confident_joint(probability_NC: np.ndarray, given_N: np.ndarray) -> np.ndarray:
    """How many records that were given class i are confidently of class j, ``float [C, C]``: the
    likeliest of the classes whose probability reaches what it is on average for records that were
    given it. A record for which none does is not counted.
    """
    classes = probability_NC.shape[1]
    given_NC = np.eye(classes)[given_N]
    threshold_C = (probability_NC * given_NC).sum(0) / given_NC.sum(0)
    reaches_NC = probability_NC >= threshold_C - _LAST_DIGITS
    counted_N = reaches_NC.any(1)
    true_N = np.where(reaches_NC, probability_NC, -1.0).argmax(1)
    joint_CC = np.zeros((classes, classes))
    np.add.at(joint_CC, (given_N[counted_N], true_N[counted_N]), 1.0)
    return joint_CC


def calibrated(joint_CC: np.ndarray, given_N: np.ndarray) -> np.ndarray:
    """The joint with as many records in each row as were given the class. No row is empty: of the
    records of a class one at least has its average.
    """
    counts_C = np.bincount(given_N, minlength=len(joint_CC))
    return np.asarray(joint_CC / joint_CC.sum(1, keepdims=True) * counts_C[:, None])


def pruned_by_noise_rate(
    probability_NC: np.ndarray, given_N: np.ndarray, joint_CC: np.ndarray
) -> np.ndarray:
    """Of the records that were given i as many as the joint says are of j, those with the largest
    difference between the probabilities of j and i, ``bool [N]``. A record whose given label is the
    likeliest is none of them.
    """
    is_error_N = np.zeros(len(given_N), bool)
    for given in range(len(joint_CC)):
        own = np.flatnonzero(given_N == given)
        for true in range(len(joint_CC)):
            count = int(joint_CC[given, true] + 0.5)
            if true != given and count:
                margin = probability_NC[own, true] - probability_NC[own, given]
                is_error_N[own[np.argsort(-margin, kind="stable")[:count]]] = True
    return np.asarray(is_error_N & (probability_NC.argmax(1) != given_N))
