"""The VQA scorer on tables made by hand, with the official tool's quirks, by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from commands import alone, here
from tiny import write


def annotation(
    number: int, answers: list[str], answer_type: str = "other", question_type: str = "what is"
) -> dict[str, Any]:
    listed = [
        {"answer": answer, "answer_confidence": "yes", "answer_id": place + 1}
        for place, answer in enumerate(answers)
    ]
    return {
        "question_id": number,
        "image_id": number,
        "answers": listed,
        "answer_type": answer_type,
        "question_type": question_type,
    }


# answer, the ten annotators, what the official tool gives: (said by n of ten) 0 .3 .6 .9 1, after
# its normalisation
TABLE = [
    ("tree", ["tree"] * 1 + ["bush"] * 9, 0.3),
    ("tree", ["tree"] * 2 + ["bush"] * 8, 0.6),
    ("tree", ["tree"] * 3 + ["bush"] * 7, 0.9),
    ("tree", ["tree"] * 4 + ["bush"] * 6, 1.0),
    ("tree", ["bush"] * 10, 0.0),
    # articles, case and full stops go where the annotators differ
    ("The Tree.", ["tree"] * 9 + ["bush"], 1.0),
    ("The Tree.", ["tree"] * 10, 0.0),  # and stay where all agree: a quirk of the tool
    ("two", ["2"] * 5 + ["3"] * 5, 1.0),
    ("dont", ["don't"] * 5 + ["do"] * 5, 1.0),
    ("1,000", ["1000"] * 5 + ["many"] * 5, 1.0),
    ("3.5", ["3.5"] * 5 + ["4"] * 5, 1.0),
    ("left/right", ["left right"] * 5 + ["left"] * 5, 1.0),
]


def score(*words: object) -> CompletedProcess[str]:
    return here("score-vqa", *words)


def files(folder: Path, results: Any, annotations: Any) -> tuple[Path, Path]:
    return write(folder / "results.json", json.dumps(results)), write(
        folder / "annotations.json", json.dumps({"annotations": annotations})
    )


def test_tables_by_hand(tmp_path: Path) -> None:
    results = [
        {"question_id": number, "answer": answer} for number, (answer, _, _) in enumerate(TABLE)
    ]
    rows = [
        annotation(
            number,
            answers,
            "yes/no" if number < 4 else "other",
            "is the" if number % 2 else "what is",
        )
        for number, (_, answers, _) in enumerate(TABLE)
    ]
    done = alone("score-vqa", *files(tmp_path, results, rows), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    scores = [score for _, _, score in TABLE]
    assert found["overall"] == round(100 * sum(scores) / len(scores), 2)
    assert found["by_answer_type"] == {
        "other": {"accuracy": round(100 * sum(scores[4:]) / 8, 2), "questions": 8},
        "yes/no": {"accuracy": 70.0, "questions": 4},
    }
    assert found["by_question_type"]["is the"] == {
        "accuracy": round(100 * sum(scores[1::2]) / 6, 2),
        "questions": 6,
    }
    assert found["missing"] == 0
    shown = score(tmp_path / "results.json", tmp_path / "annotations.json").stdout
    assert shown.startswith(f"VQA accuracy {found['overall']:.2f} % over 12 questions")


@pytest.mark.parametrize(
    ("results", "told"),
    [
        (
            [{"question_id": 1, "answer": "a"}],
            "1 of 2 questions have no answer (2); --partial scores the others",
        ),
        (
            [{"question_id": 1, "answer": "a"}, {"question_id": 9, "answer": "a"}],
            "1 answers are to questions that",
        ),
        (
            [{"question_id": 1, "answer": "a"}, {"question_id": 1, "answer": "b"}],
            "row 2: question 1 is answered twice",
        ),
        (
            [{"question_id": "1", "answer": "a"}],
            'row 1: wanted {"question_id": number, "answer": "words"}',
        ),
        ({"question_id": 1}, "wanted a list of"),
        ([], "2 of 2 questions have no answer"),
    ],
)
def test_results_that_do_not_fit_are_told(tmp_path: Path, results: Any, told: str) -> None:
    done = score(*files(tmp_path, results, [annotation(1, ["a"] * 10), annotation(2, ["a"] * 10)]))
    assert done.returncode == 1
    assert told in done.stderr


def test_a_part_is_scored_when_asked_for(tmp_path: Path) -> None:
    done = score(
        *files(
            tmp_path,
            [{"question_id": 1, "answer": "a"}],
            [annotation(1, ["a"] * 10), annotation(2, ["a"] * 10)],
        ),
        "--partial",
    )
    assert done.stdout.startswith(
        "VQA accuracy 100.00 % over 1 questions; 1 are not answered and left out"
    )
    assert score(*files(tmp_path, [], [annotation(1, ["a"])]), "--partial").returncode == 1


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    results, annotations = files(
        tmp_path, [{"question_id": 1, "answer": "a"}], [annotation(1, ["a"])]
    )
    for words, told in (
        ((tmp_path / "no.json", annotations), "there is no such file"),
        ((write(tmp_path / "x.json", "{"), annotations), "is no json"),
        ((results, results), 'wanted an object with a list "annotations"'),
        (
            (results, write(tmp_path / "y.json", '{"annotations": [{"question_id": 1}]}')),
            "annotation 1: wanted question_id and answers",
        ),
    ):
        done = score(*words)
        assert done.returncode == 1
        assert told in done.stderr


def test_scoring_does_not_need_torch(tmp_path: Path) -> None:
    paths = files(tmp_path, [{"question_id": 1, "answer": "a"}], [annotation(1, ["a"] * 10)])
    code = (
        "import sys; sys.modules['torch'] = None; from modalmill.stages.train.metrics.vqa_score"
        " import score_files as s;"
    )
    code += " from pathlib import Path as P"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}; print(s(P(sys.argv[1]), P(sys.argv[2]))['overall'])",
            *map(str, paths),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "100.0", done.stderr
