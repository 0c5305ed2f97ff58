"""The score of a file of VQA results against a file of annotations, both in the official formats;
known without torch.

Results: ``[{"question_id": 25006, "answer": "tree"}, ...]``. Annotations: ``{"annotations":
[{"question_id", "answers": [{"answer"}, ...], "answer_type", "question_type"}, ...]}``.

Means are in percent to two places, over all questions, by type of answer and by type of question,
as the official tool gives them (Antol et al. 2015; the metric is that of ``vqa_metric``).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict

from ....schemas.errors import InputError
from .vqa_accuracy import accuracy
from .vqa_tables import Cell

_MOST_NAMED = 5


class VqaScore(TypedDict):
    """Means in percent. missing: how many questions have no answer, where files were scored."""

    questions: int
    overall: float
    by_answer_type: dict[str, Cell]
    by_question_type: dict[str, Cell]
    missing: NotRequired[int]


class _Question(NamedTuple):
    annotators: list[str]
    answer_type: str
    question_type: str


def score_files(results: Path, annotations: Path, partial: bool = False) -> VqaScore:
    """The score of a results file; InputError where it does not answer the annotated questions,
    each once.

    partial: score the questions that are answered, and say how many are not.
    """
    answers = _answers(results)
    rows = _annotations(annotations)
    missing = [number for number in rows if number not in answers]
    unknown = [number for number in answers if number not in rows]
    if unknown:
        raise InputError(
            f"{results}: {len(unknown):,} answers are to questions that {annotations} does not"
            f" have ({_named(unknown)})"
        )
    if missing and not partial:
        raise InputError(
            f"{results}: {len(missing):,} of {len(rows):,} questions have no answer"
            f" ({_named(missing)}); --partial scores the others"
        )
    chosen = {number: row for number, row in rows.items() if number in answers}
    if not chosen:
        raise InputError(f"{results}: answers none of the {len(rows):,} questions of {annotations}")
    return {
        **tables((answers[number], *question) for number, question in chosen.items()),
        "missing": len(missing),
    }


def tables(rows: Iterable[tuple[str, list[str], str, str]]) -> VqaScore:
    """Means in percent of (answer, annotators' answers, type of answer, type of question)."""
    overall: list[float] = []
    by_answer: dict[str, list[float]] = defaultdict(list)
    by_question: dict[str, list[float]] = defaultdict(list)
    for answer, annotators, answer_type, question_type in rows:
        score = accuracy(answer, annotators)
        overall.append(score)
        by_answer[answer_type].append(score)
        by_question[question_type].append(score)
    return {
        "questions": len(overall),
        "overall": _percent(overall),
        "by_answer_type": {
            name: {"accuracy": _percent(scores), "questions": len(scores)}
            for name, scores in sorted(by_answer.items())
        },
        "by_question_type": {
            name: {"accuracy": _percent(scores), "questions": len(scores)}
            for name, scores in sorted(by_question.items())
        },
    }


def score_text(found: VqaScore) -> str:
    """The score as tables."""
    lines = [f"VQA accuracy {found['overall']:.2f} % over {found['questions']:,} questions"]
    if found.get("missing"):
        lines[0] += f"; {found['missing']:,} are not answered and left out"
    for title, cells in (
        ("type of answer", found["by_answer_type"]),
        ("type of question", found["by_question_type"]),
    ):
        width = max([len(title), *map(len, cells)])
        lines += ["", f"{title:<{width}}{'accuracy':>10}{'questions':>11}"]
        rows = sorted(cells.items(), key=lambda item: (-item[1]["questions"], item[0]))
        lines += [
            f"{word:<{width}}{cell['accuracy']:>10.2f}{cell['questions']:>11,}"
            for word, cell in rows
        ]
    return "\n".join(lines)


def _percent(scores: list[float]) -> float:
    return round(100 * sum(scores) / len(scores), 2)


def _answers(path: Path) -> dict[int, str]:
    """Question id -> answer."""
    rows = _json(path)
    if not isinstance(rows, list):
        raise InputError(
            f'{path}: wanted a list of {{"question_id": ..., "answer": ...}}, found'
            f" {type(rows).__name__}"
        )
    answers: dict[int, str] = {}
    for place, row in enumerate(rows):
        number = row.get("question_id") if isinstance(row, dict) else None
        answer = row.get("answer") if isinstance(row, dict) else None
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(answer, str):
            raise InputError(
                f'{path}: row {place + 1}: wanted {{"question_id": number, "answer": "words"}},'
                f" found {json.dumps(row)[:80]}"
            )
        if number in answers:
            raise InputError(f"{path}: row {place + 1}: question {number} is answered twice")
        answers[number] = answer
    return answers


def _annotations(path: Path) -> dict[int, _Question]:
    """Question id -> the annotators' answers and both types."""
    value = _json(path)
    rows = value.get("annotations") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        raise InputError(
            f'{path}: wanted an object with a list "annotations", as the official file has it'
        )
    annotated: dict[int, _Question] = {}
    for place, row in enumerate(rows):
        try:
            answers = [str(answer["answer"]) for answer in row["answers"]]
            annotated[int(row["question_id"])] = _Question(
                answers, str(row.get("answer_type", "")), str(row.get("question_type", ""))
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path}: annotation {place + 1}: wanted question_id and answers with an answer"
                f" each ({error!r})"
            ) from None
    return annotated


def _json(path: Path) -> object:
    try:
        value: object = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (ValueError, IsADirectoryError) as error:
        raise InputError(f"{path}: is no json: {error}") from None
    return value


def _named(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:_MOST_NAMED])) + (
        ", ..." if len(numbers) > _MOST_NAMED else ""
    )
