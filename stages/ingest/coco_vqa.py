"""COCO VQA, v1 and v2: a questions file, an annotations file and a folder of images, open-ended.

The annotations of the full set are hundreds of megabytes on one line of JSON. They are read as a
stream of objects; only their ids and places in a spill file stay in memory (24 bytes each). Format:
https://visualqa.org/download.html
"""

from __future__ import annotations

import json
import tempfile
from array import array
from collections import Counter
from collections.abc import Container, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from ...schemas.contents import Contents, Kind
from ...schemas.errors import DamageError
from ...schemas.fingerprint import canonical
from ...schemas.json_value import JsonValue
from ...schemas.manifest import Row
from ...schemas.record import Absence, Fault, Origin, Part, Record, make_key
from ..base import Beat, Merged, Read, Source
from ..media.files import bytes_of
from ..modality import suffixes
from ..template import is_absent, plain
from ._coco import image_number
from ._files import Listing, join, media_part
from ._json import listed_objects
from ._values import split_name

_WORDS = {
    "answer": "multiple_choice_answer",
    "answer_type": "answer_type",
    "question_type": "question_type",
}
_SMALL = range(-(1 << 63), 1 << 63)


@dataclass(frozen=True, kw_only=True)
class CocoVqa(Source):
    """Questions joined with annotations on ``question_id`` and with images on ``image_id``, both
    sides accounted for.

    questions: the questions json, below ``base``.
    annotations: the annotations json; left out for a test split without answers.
    images: folder of ``COCO_<subset>_<12 digits>.jpg`` or ``<12 digits>.jpg`` (png as well).
    base: a folder below the data root that all paths of this source begin with.
    split: a name for the split of all records; left out, a stage decides.
    group_kind: a word for what image ids name (coco_image): the same image in several sources of
    this kind is one group. The source's own name where it
        is not given.

    Each question becomes a record with the parts ``question`` and ``image``, the targets
    ``answers`` (the annotators' words), ``answer`` (the commonest), ``answer_type`` and
    ``question_type``, and the image as its group. An image without a question becomes a record of
    its own, so that nothing on disk goes unmentioned.
    """

    questions: str
    annotations: str | None = None
    images: str
    base: str = ""
    split: str | None = None
    group_kind: str | None = None

    def __post_init__(self) -> None:
        split_name(self.split)

    def paths(self) -> list[str]:
        return [
            join(self.base, path)
            for path in (self.questions, self.annotations, self.images)
            if path is not None
        ]

    def contents(self) -> Contents:
        targets: dict[str, Kind | None] = {
            "answers": "list",
            "answer": "text",
            "answer_type": "text",
            "question_type": "text",
        }
        splits = frozenset({self.split} if self.split else ())
        return Contents(
            {"image": "image", "question": "text"}, targets if self.annotations else {}, splits
        )

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        listing = Listing(root, join(self.base, self.images), suffixes(["image"]))
        images = yield from self._images(root, name, tally, beat, listing)
        yield from listing.rejects(name, tally)
        with tempfile.TemporaryFile() as spill:
            answers = _Spill(spill)
            if self.annotations:
                path = root / join(self.base, self.annotations)
                for value in listed_objects(path, "annotations"):
                    tally["annotations"] += 1
                    answers.add(value)
            yield from self._questions(root, name, tally, images, answers)
            yield from self._left_over(name, answers)
        for number, image in sorted(images.items()):
            if not image.taken:
                key = make_key(name, "image", number)
                record = Record(
                    key,
                    make_key(self.group_kind or name, number),
                    Origin(name, image.uri, None, str(number)),
                    split=self.split,
                )
                record = replace(
                    record,
                    parts={"image": media_part(root, image.uri, "image")},
                    absent={"question": "absent"},
                )
                yield Row(
                    record,
                    unmatched=[
                        Fault.unmatched("question", number, f"no question is of image {number}")
                    ],
                )

    def _images(
        self, root: Path, name: str, tally: Counter[str], beat: Beat, listing: Listing
    ) -> Generator[Row, None, dict[int, _Image]]:
        """Image id -> [path, whether a question named it], as the generator's result; files that
        cannot be used are yielded.
        """
        images: dict[int, _Image] = {}
        for uri in listing:
            tally["images"] += 1
            key = make_key(name, uri)
            record = Record(key, key, Origin(name, uri))
            number = image_number(uri)
            if number is None:
                yield Row(
                    record,
                    Fault(
                        "name_mismatch",
                        PurePosixPath(uri).name,
                        "COCO_<subset>_<12 digits>.jpg",
                        "no image id in the name",
                    ),
                )
                continue
            if number in images:
                yield Row(
                    record,
                    Fault(
                        "duplicate_id",
                        number,
                        "unique",
                        f"{images[number].uri} has the same image id",
                    ),
                )
                continue
            try:
                beat(uri)
                bytes_of(root, uri)
            except DamageError as error:
                yield Row(record, Fault(error.rule, message=error.message))
                continue
            images[number] = _Image(uri)
        return images

    def _questions(
        self,
        root: Path,
        name: str,
        tally: Counter[str],
        images: dict[int, _Image],
        answers: _Spill,
    ) -> Iterator[Read]:
        file = join(self.base, self.questions)
        answers.close()
        seen: set[int] = set()
        parts: dict[int, Part] = {}
        for position, value in enumerate(listed_objects(root / file, "questions"), 1):
            tally["questions"] += 1
            key = make_key(name, f"question-row-{position}")
            record = Record(key, key, Origin(name, file, position))
            question = _Question.of(value, seen)
            if isinstance(question, Fault):
                yield Row(record, question)
                continue
            seen.add(question.number)
            image = images.get(question.image_id)
            if image is not None:
                if not image.taken:
                    image.taken = True
                    yield Merged("images")
                    # questions of one image mostly stand together: one part at a time is enough
                    parts.clear()
                if question.image_id not in parts:
                    parts[question.image_id] = media_part(root, image.uri, "image")
            targets = answers.take(question.number)
            if targets is not None:
                yield Merged("annotations")
                fault = question.mismatch(targets.pop("image_id", None))
                if fault is not None:
                    yield Row(record, fault)
                    continue
            yield self._row(name, record, question, parts.get(question.image_id), targets)

    def _row(
        self,
        name: str,
        record: Record,
        question: _Question,
        image: Part | None,
        targets: dict[str, JsonValue] | None,
    ) -> Row:
        """A question with its image and the targets of its annotation, if there are any."""
        unmatched = []
        absent: dict[str, Absence] = {}
        parts: dict[str, Part] = {}
        if question.text is not None:
            parts["question"] = Part("text", text=question.text)
        if image is None:
            absent["image"] = "missing"
            message = f"no file of the folder is image {question.image_id}"
            unmatched.append(Fault.unmatched("image_file", question.image_id, message))
        else:
            parts["image"] = image
        if question.text is None:
            absent["question"] = "absent"
        if targets is None and self.annotations:
            message = f"no annotation is of question {question.number}"
            unmatched.append(Fault.unmatched("annotation", question.number, message))
        record = replace(
            record,
            key=make_key(name, question.number),
            group=make_key(self.group_kind or name, question.image_id),
            origin=replace(record.origin, id=str(question.number)),
            parts=parts,
            targets=targets or {},
            split=self.split,
            absent=absent,
        )
        return Row(record, unmatched=unmatched)

    def _left_over(self, name: str, answers: _Spill) -> Iterator[Row]:
        file = join(self.base, self.annotations or "")
        for number, position, again in answers.left():
            key = make_key(name, f"annotation-row-{position}")
            fault = Fault(
                "no_question",
                number,
                "a question_id of the questions file",
                "the annotation has no question",
            )
            if again:
                fault = Fault(
                    "duplicate_id", number, "unique", "an earlier annotation has this question_id"
                )
            yield Row(Record(key, key, Origin(name, file, position, str(number))), fault)
        for position, text in answers.broken:
            key = make_key(name, f"annotation-row-{position}")
            yield Row(
                Record(key, key, Origin(name, file, position)),
                Fault("broken_row", text, "question_id, answers", "the annotation is not whole"),
            )


def _answers(found: Iterable[object] | None) -> list[str]:
    """The annotators' words; those who gave none (null) are left out."""
    words = [answer["answer"] if isinstance(answer, dict) else answer for answer in found or ()]
    return [plain(word) for word in words if not is_absent(word)]


def _word(value: object) -> str:
    return "" if is_absent(value) else plain(value)


@dataclass(frozen=True, slots=True)
class _Question:
    """text: None where nothing is asked."""

    number: int
    image_id: int
    text: str | None

    @classmethod
    def of(cls, value: Any, seen: Container[int]) -> _Question | Fault:
        """A question of the file, unless it is broken or its number was seen before."""
        try:
            number, image_id = int(value["question_id"]), int(value["image_id"])
            text = value["question"]
        except (KeyError, TypeError, ValueError) as error:
            wanted = "question_id, image_id, question"
            message = f"the question is not whole: {error!r}"
            return Fault("broken_row", str(value)[:60], wanted, message)
        if number in seen:
            message = "an earlier question has this question_id"
            return Fault("duplicate_id", number, "unique", message)
        return cls(number, image_id, None if is_absent(text) else plain(text))

    def mismatch(self, shown: JsonValue) -> Fault | None:
        """What is wrong where the annotation says that it is of another image."""
        if shown is None or str(shown) == str(self.image_id):
            return None
        message = f"question {self.number} is of image {self.image_id}, its annotation of {shown}"
        return Fault("image_mismatch", shown, self.image_id, message)


@dataclass(slots=True)
class _Image:
    """taken: whether a question asks about it."""

    uri: str
    taken: bool = False


class _Spill:
    """Annotations by question id: the text on disk, in memory three 64-bit numbers for each."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ids, self._starts = array("q"), array("q")
        self._place = 0
        self._rows = array("q")
        self._large: dict[int, int] = {}
        self.broken: list[tuple[int, str]] = []
        self._count = 0

    def add(self, value: object) -> None:
        """Remember one annotation."""
        self._count += 1
        if not isinstance(value, Mapping):
            self.broken.append((self._count, str(value)[:60]))
            return
        try:
            number = int(value["question_id"])
            text = canonical(
                {
                    "answers": _answers(value["answers"]),
                    **{word: _word(value.get(source)) for word, source in _WORDS.items()},
                    "image_id": value.get("image_id"),
                }
            ).encode()
        except (KeyError, TypeError, ValueError):
            self.broken.append((self._count, str(value)[:60]))
            return
        self._ids.append(self._small(number, new=True))
        self._starts.append(self._place)
        self._rows.append(self._count)
        self._file.write(text)
        self._place += len(text)

    def _small(self, number: int, new: bool = False) -> int:
        """The id as 64 bits; larger ones (hashes) are numbered upwards from the lowest number that
        there is, which no id of a set is.
        """
        if number in _SMALL:
            return number
        if new:
            self._large.setdefault(number, _SMALL.start + len(self._large))
        return self._large.get(number, _SMALL.start + len(self._large))

    def close(self) -> None:
        """No more will be added; sort."""
        self._starts.append(self._place)
        ids = np.frombuffer(self._ids, np.int64) if self._ids else np.empty(0, np.int64)
        # stable: of several annotations with one id the first is the one that is taken
        self._order = np.argsort(ids, kind="stable")
        self._sorted = ids[self._order]
        self._taken = np.zeros(len(ids), bool)

    def take(self, number: int) -> dict[str, JsonValue] | None:
        """The targets of a question id, once; None where there is no annotation."""
        small = self._small(number)
        place = int(np.searchsorted(self._sorted, small))
        if place >= len(self._sorted) or self._sorted[place] != small:
            return None
        index = int(self._order[place])
        self._taken[index] = True
        self._file.seek(self._starts[index])
        annotation = json.loads(self._file.read(self._starts[index + 1] - self._starts[index]))
        return {name: value for name, value in annotation.items() if value}

    def left(self) -> Iterator[tuple[int, int, bool]]:
        """Question id and row of every annotation that no question took, and whether an earlier one
        has its id.
        """
        taken = set(np.asarray(self._ids)[self._taken].tolist()) if self._ids else set()
        large = {small: number for number, small in self._large.items()}
        for index in np.flatnonzero(~self._taken):
            number = self._ids[int(index)]
            yield large.get(number, number), self._rows[int(index)], number in taken
            taken.add(number)
