"""What users bring works from outside the package: the documented stage, and a modality from a CSV
to logits.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from commands import alone, here
from modalmill.pipeline.catalogue import stage_text, stages_text
from modalmill.pipeline.checking import check_text
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.schemas.recipe import load_recipe
from modalmill.stages import outside
from modalmill.stages.base import Addressed, find
from modalmill.stages.modality import modality, names
from tiny import write

ROOT = Path(__file__).parents[1]
SMELL = '''
from dataclasses import dataclass

from modalmill.schemas.fingerprint import hash_bytes
from modalmill.stages.modality import OnDisk, Rendered
from modalmill.stages.spec import MIDDLE, Spec
from modalmill.stages.train.methods import Card
from torch import nn


@dataclass(frozen=True, kw_only=True)
class SmellSpec(Spec):
    """Three receptors ``float32 [3]``."""

    modality = "smell"

    def layout(self):
        return (3,), "float32"

    def fill(self, data, out, draws=MIDDLE):
        out[:] = [float(word) for word in data.split()]
        return 1


class Smell(OnDisk):
    """Smells: three numbers in a file of text."""

    suffixes = (".smell",)
    first_encoder = "smell_linear"

    def measured(self, root, part, wanted):
        return {"hash": hash_bytes((root / part.uri).read_bytes())}

    def rendered(self, root, part, options):
        return Rendered("smell", (root / part.uri).read_bytes())

    def spec(self):
        return SmellSpec()

    def input_spec(self, options, fitted, training):
        return SmellSpec()


class SmellLinear(nn.Module):
    """One token ``[B, 1, D]``."""

    def __init__(self, width, part):
        super().__init__()
        self.map = nn.Linear(3, width)

    def forward(self, smell_BF, length_B, present_B):
        return self.map(smell_BF)[:, None], present_B[:, None]


ENCODERS = {
    "smell_linear": Card(
        f"{__name__}:SmellLinear",
        "a linear map of three receptors",
        "of this test",
        "D",
        reads="smell",
    )
}
'''
LETTERS = '''
from dataclasses import dataclass

import numpy as np

from modalmill.stages.base import Extractor


@dataclass(frozen=True, kw_only=True)
class Letters(Extractor):
    """How often each of the first letters comes. count: how many of them."""

    modality = "text"
    count: int = 26

    def dims(self):
        return self.count

    def extract(self, data):
        letters = [chr(97 + place) for place in range(self.count)]
        return np.array([data.lower().count(letter) for letter in letters], np.float32)
'''


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    yield
    outside.use([], keep=True)


def documented() -> str:
    code = re.search(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert code is not None
    return code.group(1)


def corpus(root: Path) -> Path:
    """A recipe of notes, one of which shouts, and smells that tell the label."""
    random = np.random.default_rng(0)
    lines = ["id,note,label,split"]
    for number in range(96):
        label = number % 2
        write(
            root / "raw" / f"{number}.smell",
            f"{random.normal(3 * label, 1):.3f} {random.normal():.3f} 1",
        )
        lines.append(
            f"{number},{'WHAT IS THIS' if number == 7 else f'note {number}'},"
            f"{'yes' if label else 'no'},{'test' if number % 3 else 'train'}"
        )
    write(root / "raw" / "t.csv", "\n".join(lines))
    write(root / "my_stages.py", documented())
    write(root / "smell.py", SMELL)
    write(root / "letters.py", LETTERS)
    value = {
        "name": "own",
        "data": "raw",
        "use": ["my_stages.py", "smell.py", "letters.py"],
        "tolerance": 0.9,
        "sources": {
            "t": {
                "type": "csv",
                "path": "t.csv",
                "id": "{id}",
                "text": {"note": "note"},
                "targets": ["label"],
                "split": "{split}",
                "media": {"nose": {"path": "{id}.smell"}},
            }
        },
        "stages": ["my_stages.shout", "clean.duplicates"],
        "features": {"note": "letters.letters"},
        "train": {
            "target": "label",
            "inputs": {"nose": {}, "note": {"feature": True}},
            "width": 16,
            "hidden": 16,
            "epochs": 8,
            "fusion": "mean",
            "batch_size": 8,
            "learning_rate": 0.01,
            "device": "cpu",
            "checks": False,
        },
    }
    return write(root / "r.yaml", yaml.safe_dump(value))


def products(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for name in ("shards", "features", "manifest")
        for path in sorted((out / name).rglob("*.*"))
    }


def test_a_modality_a_stage_and_an_extractor_go_from_a_csv_to_logits(tmp_path: Path) -> None:
    recipe = corpus(tmp_path)
    parsed, root = load_recipe(recipe)
    result = run(make_plan(parsed, root), tmp_path / "out", "local", 2)
    account = result.account.to_dict()
    assert account["adds_up"]
    assert account["rejects_by_reason"] == {"my_stages.shout: text_shouts": 1}
    assert result.training is not None
    assert result.training["subsets"]["nose"]["accuracy"] > 0.85
    assert "smell" in names()
    for engine in ("serial", "dask"):
        # two of the words
        run(make_plan(parsed, root, "shard"), tmp_path / engine, engine, 2)  # type: ignore[arg-type]
        assert products(tmp_path / engine) == products(tmp_path / "out")
    best = str(tmp_path / "out" / "training" / "best.pt")
    given = ["--part", f"nose={tmp_path / 'raw' / '1.smell'}", "--json"]
    done = alone(
        "--use",
        str(tmp_path / "smell.py"),
        "--use",
        str(tmp_path / "letters.py"),
        "predict",
        best,
        *given,
        "--text",
        "note 1",
    )
    assert json.loads(done.stdout)["used"] == ["nose", "note"]
    unknown = alone("predict", best, *given)
    assert unknown.returncode == 1
    assert "no modality is called 'smell'" in unknown.stderr
    assert "name its file: modalmill --use FILE" in unknown.stderr


def test_a_changed_file_costs_what_was_made_by_it(tmp_path: Path) -> None:
    def identities() -> tuple[Any, ...]:
        outside.use([tmp_path / "my_stages.py", tmp_path / "smell.py"])
        own = find("clean.image", Addressed)().identity()
        return (
            find("my_stages.shout", Addressed)().identity(),
            modality("smell").identity,
            modality("image").identity,
            own,
        )

    corpus(tmp_path)
    before = identities()
    write(tmp_path / "my_stages.py", documented().replace("0.7", "0.8"))
    after = identities()
    assert before[0] != after[0]
    assert before[1:] == after[1:]
    write(tmp_path / "smell.py", SMELL + "\n# another text\n")
    assert identities()[1] != before[1]
    assert identities()[2:] == before[2:]


def test_the_documented_stage_keeps_the_contract_and_is_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "my_stages.py", documented())
    text, is_kept = check_text(path)
    assert (text, is_kept) == ("stage my_stages.shout: keeps the contract", True)
    assert "my_stages.shout" in stages_text()
    assert "too large a share of the letters" in stage_text("my_stages.shout")
    done = alone("check", str(path))
    assert done.returncode == 0
    assert "keeps the contract" in done.stdout


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "    def apply(self, record):\n        record.parts.clear()\n        return record",
            "it changed the record it was given",
        ),
        (
            "    def split(self, record):\n        return []",
            "vanished: neither written nor rejected",
        ),
        ("    def split(self, record):\n        return [record, record]", "have one key"),
        (
            "    def apply(self, record):\n        seen.append(1)\n"
            "        return record.without_part('text', str(len(seen)))",
            "depends on the order",
        ),
        (
            "    def split(self, record):\n"
            "        return [dataclasses.replace(record, group='other')]",
            "left its group",
        ),
        (
            "    def fault(self, record):\n        return 1 / 0",
            "fails with ZeroDivisionError: division by zero (bad.py, line 10)",
        ),
    ],
)
def test_a_stage_that_breaks_the_contract_is_told_how(tmp_path: Path, body: str, told: str) -> None:
    head = (
        "import dataclasses\nfrom modalmill.stages.base import RecordStage\nseen = []\n\n"
        "@dataclasses.dataclass(frozen=True, kw_only=True)\n"
    )
    path = write(
        tmp_path / "bad.py", f'{head}class Bad(RecordStage):\n    """Breaks it."""\n\n{body}\n'
    )
    text, is_kept = check_text(path)
    assert not is_kept
    assert told in text
    assert here("check", path).returncode == 1


def test_mistakes_in_files_are_one_clear_error(tmp_path: Path) -> None:
    for name, code, told in (
        (
            "a.py",
            "import nothing_like_this",
            "fails: ModuleNotFoundError: No module named 'nothing_like_this'",
        ),
        ("b.py", "def (", "fails: SyntaxError"),
        ("c.txt", "", "wanted a file of Python"),
        ("d.py", "x = 1", "defines no stage, source, extractor, modality, signal, metric or"),
        (
            "e.py",
            "from modalmill.stages.modality import OnDisk\nclass Image(OnDisk):\n    '''Mine.'''",
            "there is a modality called image already",
        ),
    ):
        with pytest.raises(InputError, match=told):
            check_text(write(tmp_path / name, code))
        outside.use([], keep=True)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        outside.use([tmp_path / "gone.py"])
    parsed, root = load_recipe(corpus(tmp_path))
    with pytest.raises(
        RecipeError,
        match=r"stages.0 \(my_stages.shot\): no stage is called 'my_stages.shot'; did you mean "
        r"'my_stages.shout'",
    ):
        make_plan(parsed.model_copy(update={"stages": ["my_stages.shot"]}), root)


def test_entry_points_of_an_installed_package_are_found(tmp_path: Path) -> None:
    """A real distribution on the path: its metadata names a stage, a modality and an encoder."""
    write(tmp_path / "acme.py", documented() + SMELL)
    info = tmp_path / "acme-1.0.dist-info"
    write(info / "METADATA", "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    entries = (
        "[modalmill.stages]\nacme.shout = acme:Shout\n[modalmill.modalities]\nsmell = acme:Smell\n"
    )
    write(info / "entry_points.txt", entries + "[modalmill.encoders]\nsmell_linear = acme:CARD\n")
    write(
        tmp_path / "acme.py",
        (tmp_path / "acme.py").read_text() + "\nCARD = ENCODERS['smell_linear']\n",
    )
    code = (
        "from modalmill.stages.base import Addressed, addresses, find\n"
        "from modalmill.stages.modality import modality, names\n"
        "from modalmill.stages.train.methods.encoders import ENCODERS\n"
        "assert 'acme.shout' in addresses(Addressed) and find('acme.shout',"
        " Addressed)().max_share == 0.7\n"
        "assert 'smell' in names() and modality('smell').name == 'smell' and"
        " ENCODERS['smell_linear'].load().__name__ == 'SmellLinear'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
