"""VQA accuracy (Antol et al. 2015): the official normalisation of answers and the average over
leave-one-out sets of annotators.

For ten annotators, of whom n said the answer, the average is 0, .3, .6, .9, 1 for n = 0, 1, 2, 3, 4
and more. The normalisation keeps the quirks of the official scorer: answers are normalised only
where the annotators do not all agree; a mark is removed where it stands beside a space anywhere in
the answer (or the answer has a number with a comma), else it becomes a space; a full stop goes
unless a digit follows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from ....schemas.json_value import JsonValue

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_STOP = re.compile(r"\.(?!\d)")
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
} | {"none": "0"}
_ARTICLES = frozenset(("a", "an", "the"))
_MOST_STOPS = 32

# Words whose apostrophe annotators left out. Lower-case, as answers are when they are looked up;
# "he's" is found under "hes", and a double contraction under each way of losing one of its
# apostrophes.
_SINGLE = [
    "ain't",
    "aren't",
    "can't",
    "could've",
    "couldn't",
    "didn't",
    "doesn't",
    "don't",
    "hadn't",
    "hasn't",
    "haven't",
    "he'd",
    "he's",
    "how'd",
    "how'll",
    "how's",
    "isn't",
    "it'd",
    "it'll",
    "ma'am",
    "mightn't",
    "might've",
    "mustn't",
    "must've",
    "needn't",
    "not've",
    "o'clock",
    "oughtn't",
    "shan't",
    "should've",
    "shouldn't",
    "somebody'll",
    "somebody's",
    "someone'd",
    "someone'll",
    "someone's",
    "something'd",
    "something'll",
    "that's",
    "there'd",
    "there're",
    "there's",
    "they'd",
    "they'll",
    "they're",
    "they've",
    "'twas",
    "wasn't",
    "we've",
    "weren't",
    "what'll",
    "what're",
    "what's",
    "what've",
    "when's",
    "where'd",
    "where's",
    "where've",
    "who'd",
    "who'll",
    "who's",
    "who've",
    "why'll",
    "why're",
    "why's",
    "won't",
    "would've",
    "wouldn't",
    "y'all",
    "you'd",
    "you'll",
    "you're",
    "you've",
]
_DOUBLE = [
    "couldn't've",
    "hadn't've",
    "he'd've",
    "it'd've",
    "mightn't've",
    "she'd've",
    "shouldn't've",
    "somebody'd've",
    "someone'd've",
    "something'd've",
    "there'd've",
    "they'd've",
    "we'd've",
    "who'd've",
    "wouldn't've",
    "y'all'll",
    "y'all'd've",
    "you'd've",
]


def _contractions() -> dict[str, str]:
    spellings = {word.replace("'", ""): word for word in _SINGLE}
    for word in _DOUBLE:
        places = [place for place, letter in enumerate(word) if letter == "'"]
        for place in places:
            spellings[word[:place] + word[place + 1 :]] = word
    # this way round in the official list
    spellings["somebody'd"] = "somebodyd"
    # the one word that begins with an apostrophe
    spellings |= dict.fromkeys(("ow's'at", "'ows'at", "'ow'sat"), "'ow's'at")
    return spellings


_CONTRACTIONS = _contractions()


def normalise(answer: str) -> str:
    """The answer as the official scorer compares it.

    >>> normalise("The two dogs.")
    '2 dogs'
    """
    answer = answer.replace("\n", " ").replace("\t", " ").strip()
    has_number = _COMMA_IN_NUMBER.search(answer) is not None
    cleaned = answer
    for mark in _MARKS:
        cleaned = (
            cleaned.replace(mark, "")
            if mark + " " in answer or " " + mark in answer or has_number
            else cleaned.replace(mark, " ")
        )
    # the official scorer gives re.UNICODE, which is 32, in the place of the count
    cleaned = _STOP.sub("", cleaned, count=_MOST_STOPS)
    words = [_NUMBERS.get(word, word) for word in cleaned.lower().split()]
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def accuracy(answer: str, annotators: Sequence[str]) -> float:
    """VQA accuracy in [0, 1] of one answer against its annotators' answers."""
    answer = answer.replace("\n", " ").replace("\t", " ").strip()
    truths = [truth.replace("\n", " ").replace("\t", " ").strip() for truth in annotators]
    if len(set(truths)) > 1:
        answer, truths = normalise(answer), [normalise(truth) for truth in truths]
    return _share(answer, truths)


def _share(answer: str, truths: Sequence[str]) -> float:
    """The average over leave-one-out sets. Of a single annotator, which the metric is not made for,
    whether that one said it.
    """
    said = sum(truth == answer for truth in truths)
    if len(truths) < 2:
        return float(said)
    # Leaving out one who said it leaves said - 1 others, leaving out one who did not leaves said.
    return (said * min(1.0, (said - 1) / 3) + (len(truths) - said) * min(1.0, said / 3)) / len(
        truths
    )


def annotators_of(value: JsonValue) -> Sequence[str]:
    """The annotators' answers in a target; that it is a list is made sure when a task is fitted."""
    return cast("Sequence[str]", value)


def soft_scores(annotators: Sequence[str]) -> dict[str, float]:
    """How right every answer that an annotator gave is, by normalised answer; unanimous ones are
    normalised here as well.
    """
    truths = [normalise(truth) for truth in annotators]
    return {answer: _share(answer, truths) for answer in sorted(set(truths))}
