"""Signals as the house declares and keeps them: each of them costs its own pass, and nobody
else's.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas
import pytest
import yaml
from commands import here
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import Result
from modalmill.schemas.disk import read_note
from modalmill.schemas.errors import InputError, RecipeError
from modalmill.schemas.fingerprint import hash_file
from modalmill.schemas.manifest import read_manifest, table_to_records
from modalmill.schemas.recipe import parse_recipe
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages import outside
from modalmill.stages.contract import broken_signal
from modalmill.stages.measure.facts import AllTracks, Facts
from modalmill.stages.measure.measurements import Measurements, write_measurements
from modalmill.stages.measure.media import Medium
from modalmill.stages.media import audio, image, video
from modalmill.stages.modalities.image.signals.light import LIGHT
from modalmill.stages.modality import modality, names, wrongly_declared
from modalmill.stages.signal import WHOLE, Signal, signals_of, tracks_of
from tiny import mp4, png, recipe, wav, write

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
KINDS = ("audio", "image", "series", "text", "video")


@pytest.fixture(autouse=True)
def _alone() -> Any:
    yield
    outside.use([], keep=True)


@pytest.mark.parametrize("kind", KINDS)
def test_each_says_what_it_is_and_lies_where_its_name_says(kind: str) -> None:
    for own in (*signals_of(kind).values(), *tracks_of(kind).values()):
        assert inspect.getdoc(own.function), own.name
        assert not wrongly_declared(own)
        place = own.function.__module__.rpartition(".")[2]
        if isinstance(own, Signal) and kind != "series":
            assert place == own.name
    assert {"audio": 14, "image": 13, "series": 3, "text": 10, "video": 15}[kind] == len(
        signals_of(kind)
    )


# the network of speech may not be installed
@pytest.mark.parametrize(
    "own",
    [own for kind in KINDS for own in signals_of(kind).values() if own.name != "speech"],
    ids=lambda own: f"{own.of}.{own.name}",
)
def test_each_gives_what_it_declares(own: Signal) -> None:
    assert broken_signal(own) == []


def test_nothing_else_is_measured_unasked_than_was() -> None:
    on_request = {kind: set(modality(kind).on_request) for kind in names()}
    assert {kind: own for kind, own in on_request.items() if own} == {
        "audio": {
            *("bandwidth", "dc_offset", "hum", "loudness", "noise_floor", "speech", "stereo"),
            *("true_peak", "mfcc", "chroma"),
        },
        "image": {
            *("blockiness", "border", "color", "contrast", "effective_resolution", "entropy"),
            *("metadata", "noise", "qr_share", "solid"),
        },
        "series": {"values"},
        "text": set(signals_of("text")),
        "video": {
            *("brightness", "doubled", "interlaced", "letterbox", "shots", "stills"),
            "variable_rate",
        },
    }


class Corpus:
    """Some pictures, sounds and films, and how often each of them was decoded."""

    def __init__(self, root: Path, run_recipe: Run, patch: pytest.MonkeyPatch) -> None:
        self.root, self._run_recipe = root, run_recipe
        for number in range(3):
            write(root / "raw" / f"{number}.png", png(seed=number))
            write(root / "raw" / f"{number}.wav", wav(300.0 + 50 * number))
            write(root / "raw" / f"{number}.mp4", mp4(frames=6 + number, sound=False))
        write(root / "raw" / "t.csv", "id\n0\n1\n2\n")
        self.decoded = {"image": 0, "audio": 0, "video": 0}
        for kind, module, name in (
            ("image", image, "decode"),
            ("audio", audio, "decode"),
            ("video", video, "frames"),
        ):
            patch.setattr(module, name, self._counting(kind, getattr(module, name)))

    def _counting(self, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def decode(*arguments: Any, **options: Any) -> Any:
            self.decoded[kind] += 1
            return real(*arguments, **options)

        return decode

    def measure(self, *asked: str, out: str = "out") -> dict[str, int]:
        """Measure what is asked for; how often each modality was decoded for it."""
        before = dict(self.decoded)
        media = {
            kind: {"path": f"{{id}}.{end}"}
            for kind, end in (("image", "png"), ("audio", "wav"), ("video", "mp4"))
        }
        source = {"type": "csv", "path": "t.csv", "id": "{id}", "media": media}
        value = recipe(self.root / "raw", {"s": source}, measure=list(asked))
        self._run_recipe(value, self.root / out, until="manifest")
        return {kind: count - before[kind] for kind, count in self.decoded.items()}

    def units(self) -> list[set[str]]:
        """What each file of measurements holds."""
        files = (self.root / "out" / "work" / "media").rglob("*.arrow")
        return [set(read_note(path)["units"]) for path in files]


@pytest.fixture
def corpus(tmp_path: Path, run_recipe: Run, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    return Corpus(tmp_path, run_recipe, monkeypatch)


ALL = ("image", "audio", "video")
NONE = {"image": 0, "audio": 0, "video": 0}


def test_a_medium_is_decoded_once_for_all_and_again_for_what_is_new_alone(corpus: Corpus) -> None:
    assert corpus.measure(*ALL) == {"image": 3, "audio": 3, "video": 3}
    first = corpus.units()
    assert corpus.measure(*ALL) == NONE
    assert corpus.measure(*ALL, "image.entropy") == {**NONE, "image": 3}
    assert corpus.measure(*ALL, "image.entropy", "audio.dc_offset") == {**NONE, "audio": 3}
    new = [units for units in corpus.units() if units not in first]
    assert sorted(map(sorted, new)) == [["signal entropy"], ["track offset"]]
    # one that nobody wants any more costs nothing, and stands nowhere
    assert corpus.measure(*ALL) == NONE
    table = pandas.read_parquet(corpus.root / "out" / "signals.parquet")
    assert "sharpness" in table
    assert not {"entropy", "dc_offset"} & set(table)


def instead_of(own: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that counts as one of the house, of which the version alone tells."""
    function.__module__ = own.__module__
    return function


def test_another_version_of_a_signal_measures_that_one_and_leaves_the_others(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus.measure(*ALL)
    first = corpus.units()
    before = pandas.read_parquet(corpus.root / "out" / "signals.parquet")
    looks: list[str] = []

    def other(histogram: Any) -> dict[str, float]:
        looks.append("light")
        return dict.fromkeys(LIGHT.gives, 0.125)

    changed = replace(LIGHT, version=2, function=instead_of(LIGHT.function, other))
    monkeypatch.setitem(signals_of("image"), "light", changed)
    assert corpus.measure(*ALL) == {**NONE, "image": 3}
    assert looks == ["light"] * 3
    assert [units for units in corpus.units() if units not in first] == [{"signal light"}]
    after = pandas.read_parquet(corpus.root / "out" / "signals.parquet")
    assert (after.brightness.dropna() == 0.125).all()
    rest = [name for name in before if name not in LIGHT.gives]
    pandas.testing.assert_frame_equal(before[rest], after[rest])


def test_another_version_of_a_track_measures_it_and_the_first_is_kept(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus.measure(*ALL)
    before = pandas.read_parquet(corpus.root / "out" / "signals.parquet")
    moved = tracks_of("video")["moved"]
    still = instead_of(moved.function, lambda difference: 0.0)
    with monkeypatch.context() as patch:
        patch.setitem(tracks_of("video"), "moved", replace(moved, version=2, function=still))
        assert corpus.measure(*ALL) == {**NONE, "video": 3}
        table = pandas.read_parquet(corpus.root / "out" / "signals.parquet")
        assert (table.motion.dropna() == 0).all()
        assert table.frozen.equals(before.frozen)
    assert corpus.measure(*ALL) == NONE
    table = pandas.read_parquet(corpus.root / "out" / "signals.parquet")
    pandas.testing.assert_frame_equal(before, table)


@pytest.mark.parametrize(("old", "new"), [("a", "b"), ("b", "a")])
def test_what_was_made_another_way_is_not_read_whatever_file_comes_first(
    tmp_path: Path, old: str, new: str
) -> None:
    medium = Medium("video", "film.mp4", "1-1")
    row = {**asdict(medium), "hash": "h", "failed": []}
    for folder, values in ((old, {"time": 0.0, "moved": 1.0}), (new, {"moved": 2.0})):
        own = {
            "signals": [(f"{name}:{name}", value) for name, value in values.items()],
            "tracks": [(f"{name}:{name}", [value]) for name, value in values.items()],
        }
        names = [f"{what} {name}" for what in ("signal", "track") for name in values]
        units = {unit: f"{unit} of {folder}" for unit in names}
        path = tmp_path / folder / "m.arrow"
        write_measurements(path, [row | own], units | ({WHOLE: old} if folder == old else {}))
    made_in = {"signal time": old, "track time": old, "signal moved": new, "track moved": new}
    wanted = {WHOLE: old} | {unit: f"{unit} of {folder}" for unit, folder in made_in.items()}
    measurements = Measurements(tmp_path, {"video": wanted})
    assert not measurements.lacking(medium)
    measurements.gather(tmp_path / "gathered.arrow", [medium])
    facts = Facts(tmp_path / "gathered.arrow", {})
    part = Part("video", uri="film.mp4")
    for tracks in (facts.tracks_of(part), AllTracks([tmp_path / "gathered.arrow"]).of(part)):
        assert {name: list(track) for name, track in tracks.items()} == {
            "time": [0.0],
            "moved": [2.0],
        }
    record = facts.attach(Record("k", "k", Origin("s", "f"), {"film": part}))
    assert record.signals == {"film.time": 0.0, "film.moved": 2.0}
    assert record.parts["film"].hash == "h"


def test_a_signal_over_time_takes_another_version_without_decoding(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus.measure(*ALL)
    quiet = signals_of("audio")["quiet"]
    other = instead_of(quiet.function, lambda stretch: 0.25)
    monkeypatch.setitem(signals_of("audio"), "quiet", replace(quiet, version=2, function=other))
    assert corpus.measure(*ALL) == NONE
    table = pandas.read_parquet(corpus.root / "out" / "signals.parquet")
    assert (table.quiet.dropna() == 0.25).all()


def test_what_is_measured_in_one_pass_and_in_many_is_the_same(corpus: Corpus) -> None:
    asked = [*ALL, "image.entropy", "audio.dc_offset"]
    for number in range(1, len(asked) + 1):
        corpus.measure(*asked[:number])
    corpus.measure(*asked, out="at_once")
    for name in ("signals.parquet", "manifest/part-00000.parquet"):
        assert hash_file(corpus.root / "out" / name) == hash_file(corpus.root / "at_once" / name)


def test_a_damaged_medium_is_not_decoded_again_for_a_new_signal(corpus: Corpus) -> None:
    write(corpus.root / "raw" / "1.png", png()[:-20])
    corpus.measure(*ALL)
    assert corpus.measure(*ALL, "image.entropy") == {**NONE, "image": 2}
    table = pandas.read_parquet(corpus.root / "out" / "signals.parquet")
    damage = table[table.modality == "image"].set_index("key").damage
    assert list(damage.fillna("")) == ["", "image_truncated", ""]


OWN = '''
import numpy as np

from modalmill.schemas.quantity import Quantity, share
from modalmill.stages.signal import Signal, Track


def redness(pixels):
    """How much redder than green a picture is, in grey levels."""
    return float(pixels[..., 0].mean() - pixels[..., 1].mean())


def peaks(heard):
    """The largest sample of each 20 ms."""
    whole = len(heard.mono) // heard.frame * heard.frame
    return np.abs(heard.mono[:whole]).reshape(-1, heard.frame).max(1)


def peak(stretch):
    """The largest of them in the first half of the span that is looked at."""
    inside = stretch.weights[: len(stretch.tracks["peaks"])] > 0
    return stretch.tracks["peaks"][inside].max()


def questions(text):
    return text.count("?")


def brightest(frame):
    return frame.gray.max() / 255


REDNESS = Signal(
    name="redness", of="image", reads="pixels", function=redness,
    gives={"redness": Quantity("red above green", "grey levels", -255, 255)},
)
PEAKS = Track(name="peaks", of="audio", function=peaks)
PEAK = Signal(
    name="peak", of="audio", tracks=("levels", "peaks"), function=peak,
    gives={"peak": share("largest sample")},
)
QUESTIONS = Signal(
    name="questions", of="text", function=questions, gives={"questions": Quantity("marks")}
)
BRIGHTEST = Track(name="brightest", of="video", function=brightest)
FLASH = Signal(
    name="flash", of="video", tracks=("time", "brightest"),
    function=lambda stretch: stretch.shown("brightest").max(),
    gives={"flash": share("brightest pixel of all frames")},
)
'''


def test_the_documented_signal_keeps_the_contract(tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "recipes.md").read_text(), re.DOTALL)
    assert code is not None
    write(tmp_path / "reds.py", code.group(1))
    done = here("check", tmp_path / "reds.py")
    assert (done.returncode, done.stdout) == (0, "signal image.redness: keeps the contract\n")


def own_recipe(root: Path, text: str, rules: dict[str, object], **more: Any) -> dict[str, Any]:
    write(root / "own.py", text)
    media = {
        "image": {"path": "{id}.png"},
        "voice": {"path": "{id}.wav"},
        "film": {"path": "{id}.mp4"},
    }
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "media": media,
        "text": {"note": "note"},
        "start": "start",
    }
    write(root / "raw" / "t.csv", "id,note,start\n0,why?,0\n1,so.,0.1\n2,what??,0\n")
    return recipe(
        root / "raw",
        {"s": source},
        [{"clean.rules": rules}],
        use=[str(root / "own.py")],
        tolerance=1.0,
        **more,
    )


def test_signals_of_a_users_own_file_are_as_good_as_the_house_s(
    corpus: Corpus, tmp_path: Path, run_recipe: Run
) -> None:
    rules = {
        "image.redness": "> -300",
        "voice.peak": "> 0",
        "note.questions": "<= 1",
        "film.flash": "> 0",
    }
    result = run_recipe(own_recipe(tmp_path, OWN, rules))
    table = pandas.read_parquet(tmp_path / "out" / "signals.parquet")
    assert list(table[table.part == "note"].questions) == [1, 0, 2]
    pixels = [image.decode(png(seed=number)).astype(float) for number in range(3)]
    wanted = [each[..., 0].mean() - each[..., 1].mean() for each in pixels]
    assert list(table[table.part == "image"].redness) == pytest.approx(wanted)
    assert table[table.part == "voice"].peak.between(0.1, 1).all()
    assert table[table.part == "film"].flash.between(0.3, 1).all()
    assert result.account.stages[0].reasons == {"note.questions <= 1": 1}
    # another text of the file is another signal; those of the house stay
    decoded = dict(corpus.decoded)
    run_recipe(own_recipe(tmp_path, OWN.replace('"?"', '"h"'), rules), until="manifest")
    table = pandas.read_parquet(tmp_path / "out" / "signals.parquet")
    assert list(table[table.part == "note"].questions) == [1, 0, 1]
    assert {kind: count - decoded[kind] for kind, count in corpus.decoded.items()} == {
        "image": 3,
        "audio": 3,
        "video": 3,
    }
    files = (tmp_path / "out" / "work" / "media").rglob("*.arrow")
    assert sum("signal sharpness" in read_note(path)["units"] for path in files) == 1


def test_a_signal_that_fails_is_told_and_says_nothing_against_the_medium(
    corpus: Corpus, tmp_path: Path, run_recipe: Run
) -> None:
    text = OWN.replace(
        "    return float(pixels", "    1 / bool(pixels.sum() < 0)\n    return float(pixels"
    )
    text = text.replace('text.count("?")', 'text.index("?")')
    rules = {"image.redness": "> -300", "note.questions": "<= 5"}
    result = run_recipe(own_recipe(tmp_path, text, rules))
    notes = result.account.stages[0].notes
    assert (
        notes[
            "image: the signal redness could not be computed: ZeroDivisionError: division by zero"
        ]
        == 3
    )
    assert (
        notes["note: the signal questions could not be computed: ValueError: substring not found"]
        == 1
    )
    assert result.account.stages[0].rejected == 0
    assert sum(shard.records for shard in result.shards.shards) == 3


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (('of="image"', 'of="imge"'), "no modality is called so; did you mean 'image'"),
        (('reads="pixels"', 'reads="pixel"'), "did you mean 'pixels'"),
        (('name="redness", of', 'name="sharpness", of'), "there is one of this name already"),
        (('"redness": Quantity', '"dark": Quantity'), "give a number of this name"),
        (('"redness": Quantity', '"width": Quantity'), "which is known of image already"),
        (("function=redness", "function=np.mean"), "wanted one that is written in its file"),
        (('name="redness"', 'name="red-ness"'), "'red-ness' is no name"),
        (('("levels", "peaks")', '("level", "peaks")'), "did you mean 'levels'"),
    ],
)
def test_a_wrong_declaration_is_told_before_anything_is_read(
    tmp_path: Path, change: tuple[str, str], line: str
) -> None:
    write(tmp_path / "raw" / "0.png", png())
    value = own_recipe(tmp_path, OWN.replace(*change), {"note.words": "> 0"})
    with pytest.raises((RecipeError, InputError)) as caught:
        make_plan(parse_recipe(value), tmp_path / "raw")
    assert line in str(caught.value)


def test_the_command_line_lists_and_checks_them(tmp_path: Path) -> None:
    write(tmp_path / "own.py", OWN)
    listed = here("--use", tmp_path / "own.py", "signals", "image").stdout
    assert "redness" in listed
    assert "image.entropy, image.metadata" in " ".join(listed.split())
    assert "image.solid, image.redness]" in " ".join(listed.split())
    done = here("check", tmp_path / "own.py")
    assert done.returncode == 1
    assert "signal image.redness: keeps the contract" in done.stdout
    # it says nothing of itself
    assert "signal text.questions: breaks it\n  wanted a docstring" in done.stdout
    broken = OWN.replace("return text", "1 / 0\n    return text").replace("-255, 255", "200, 255")
    write(tmp_path / "own.py", broken)
    told = here("check", tmp_path / "own.py").stdout
    assert "ZeroDivisionError: division by zero" in told
    assert "for redness, which lies in [200, 255]" in told


def test_the_command_line_measures_them_by_part_or_modality(tmp_path: Path) -> None:
    write(tmp_path / "raw" / "0.png", png())
    write(tmp_path / "raw" / "0.wav", wav())
    write(tmp_path / "raw" / "0.mp4", mp4(frames=6, sound=False))
    value = own_recipe(tmp_path, OWN, {"image.redness": "> -300"})
    # a number's name stands for the signal that gives it
    asked = ["note.questions", "image.redness", "video.flash", "audio.true_peak_dbtp"]
    write(tmp_path / "raw" / "t.csv", "id,note,start\n0,why?,0\n")
    write(tmp_path / "r.yaml", yaml.safe_dump(value | {"stages": [], "measure": asked}))
    words = ("--out", tmp_path / "measured", "--engine", "serial")
    done = here("measure", tmp_path / "r.yaml", *words)
    assert done.returncode == 0, done.stderr
    table = pandas.read_parquet(tmp_path / "measured" / "measured.parquet").set_index("part")
    assert table.questions["note"] == 1
    assert table[["redness", "flash", "true_peak_dbtp"]].notna().sum().sum() == 3
    assert "questions" in done.stdout
    write(tmp_path / "r.yaml", yaml.safe_dump(value | {"measure": ["note.question"]}))
    done = here("measure", tmp_path / "r.yaml", *words)
    assert done.returncode == 2
    assert "did you mean 'questions'" in done.stderr


def test_what_is_measured_of_a_whole_file_is_unknown_of_a_span_and_told(
    tmp_path: Path, run_recipe: Run
) -> None:
    write(
        tmp_path / "own.py",
        "from modalmill.schemas.quantity import Quantity\n"
        "from modalmill.stages.signal import Signal\n\n\n"
        "def peak(mono):\n"
        '    """The largest sample of a sound ``float32 [T]``."""\n'
        "    return abs(mono).max()\n\n\n"
        'PEAK = Signal(name="peak", of="audio", reads="mono",'
        ' gives={"peak": Quantity("peak", "", 0, 1)}, function=peak)\n',
    )
    write(tmp_path / "raw" / "a.wav", wav(seconds=2.0))
    source = {"type": "audio_folder", "path": "", "part": "sound"}
    value = recipe(
        tmp_path / "raw",
        {"s": source},
        [
            {"align.cut": {"by": "windows", "window_s": 1.0}},
            {"clean.rules": {"sound.peak": ">= 0"}},
        ],
        use=[str(tmp_path / "own.py")],
        shard=None,
    )
    result = run_recipe(value)
    cut = table_to_records(read_manifest(tmp_path / "out"))
    assert ["sound.peak" in record.signals for record in cut] == [False, False]
    assert any("measured of whole files" in note for note in result.account.stages[0].notes)


def test_a_signal_cannot_write_into_what_others_read(tmp_path: Path) -> None:
    def dim(gray: np.ndarray) -> float:
        gray //= 2
        return float(gray.mean())

    picture = SimpleNamespace(gray=np.full((4, 4), 100, np.uint8))
    own = Signal(name="dim", of="image", reads="gray", gives={}, function=dim)
    with pytest.raises(ValueError, match="read-only"):
        own.numbers(picture)
    assert picture.gray.mean() == 100
