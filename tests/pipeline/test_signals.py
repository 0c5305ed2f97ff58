"""``signals.parquet`` has a row for every part, kept or not, and the verdict of every rule."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow.parquet as pq
import pytest
import soundfile
import yaml
from commands import here
from modalmill.pipeline import signals as signals_module
from modalmill.pipeline.looking import look_text, yields_text
from modalmill.pipeline.run import Result
from modalmill.schemas import manifest as manifest_module
from modalmill.schemas import rejects as rejects_module
from modalmill.schemas.disk import read_table
from modalmill.schemas.errors import InputError
from modalmill.schemas.manifest import read_manifest
from modalmill.stages.measure.measurements import Likenesses, units_wanted
from modalmill.stages.modality import on_disk
from modalmill.stages.signal import LIKENESS
from tiny import jpeg, mp4, png, recipe, wav, write

Run = Callable[..., Result]
MEDIA = {"image": "{id}.png", "voice": "{id}.wav", "film": "{id}.mp4"}
STAGES: list[Any] = [
    {"clean.image": {"min_sharpness": 19.6}},
    {"clean.audio": {"min_seconds": 0.4, "on_fault": "drop_part"}},
    "clean.duplicates",
    {"clean.rules": {"image.brightness": "p10..p90", "text.words": "> 1"}},
    {"clean.text": {"min_words": 3}},
    {"clean.video": {"min_seconds": 0.55}},
]


def corpus(root: Path, count: int = 24) -> dict[str, Any]:
    """Records of which every rule of ``STAGES`` takes some; one has a broken picture, two are
    equal, some lack a part.
    """
    random = np.random.default_rng(0)
    rows = ["id,words"]
    for number in range(count):
        write(root / f"{number}.png", png(seed=number % (count - 1)))
        if number % 5:
            write(root / f"{number}.wav", wav(seconds=0.3 if number % 3 else 0.6))
        if number % 4 == 0:
            write(root / f"{number}.mp4", mp4(4 + number % 3, sound=False))
        rows.append(f"{number},{' '.join(['word'] * random.integers(1, 6))}")
    write(root / "3.png", png(seed=3)[:-200])
    write(root / "t.csv", "\n".join(rows))
    media = {name: {"path": path} for name, path in MEDIA.items()}
    return {"type": "csv", "path": "t.csv", "id": "{id}", "text": "words", "media": media}


def signals(out: Path) -> pandas.DataFrame:
    return pandas.read_parquet(out / "signals.parquet")


def rejected_by_rules(table: pandas.DataFrame, stages: list[str]) -> dict[str, int]:
    """Of each stage the records that break a rule of it, of those that came so far, by pandas."""
    place = table.stage.map({stage: number for number, stage in enumerate(stages)})
    ended = place.where(table.fate != "written")
    result = {}
    for number, stage in enumerate(stages):
        rules = [name for name in table.columns if name.startswith(f"{stage}.")]
        came = table[~(ended < number)]
        if rules:
            result[stage] = came[(came[rules] == False).any(axis=1)].key.nunique()  # noqa: E712
    return result


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("signals")
    value = recipe(root, {"s": corpus(root)}, STAGES, tolerance=1.0)
    write(root / "r.yaml", yaml.safe_dump(value | {"data": str(root)}))
    modalmill("run", root / "r.yaml", "--out", root / "out", "--until", "clean.video")
    return root, json.loads((root / "out" / "account.json").read_text())


def modalmill(*arguments: object) -> str:
    done = here(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_yields_recomputed_from_the_table_are_those_of_the_account(
    ran: tuple[Path, dict[str, Any]],
) -> None:
    root, account = ran
    stages = account["stages"]
    found = rejected_by_rules(signals(root / "out"), list(stages))
    dropped = stages["clean.audio"]["notes"]["parts taken away: audio_too_short"]
    wanted = {name: count["rejected"] for name, count in stages.items() if name in found}
    assert found == wanted | {"clean.audio": dropped}
    # each of them took some, or nothing is shown
    assert all(found.values()), found


def test_there_is_a_row_for_each_part_of_each_record_whatever_became_of_it(
    ran: tuple[Path, dict[str, Any]],
) -> None:
    root, _ = ran
    table = signals(root / "out")
    files = {path.name for path in root.iterdir() if path.suffix in (".png", ".wav", ".mp4")}
    assert set(table.uri.dropna()) == files
    assert not table.duplicated(["key", "part"]).any()
    assert table.key.nunique() == 24
    manifest = read_manifest(root / "out").to_pylist()
    kept = {(row["key"], part["name"]) for row in manifest for part in row["parts"]}
    written = table[table.fate == "written"]
    assert set(zip(written.key, written.part, strict=True)) == kept


def test_every_rule_has_its_verdict_on_what_an_earlier_one_rejected(
    ran: tuple[Path, dict[str, Any]],
) -> None:
    root, _ = ran
    table = signals(root / "out")
    blurred = table[(table.rule == "image_blurred") & (table.part == "image")]
    assert len(blurred)
    for rule in ("clean.image.max_dark", "clean.rules.image.brightness"):
        assert blurred[rule].notna().all(), rule
    texts = table[(table.rule == "image_blurred") & (table.part == "text")]
    assert (texts["clean.text.min_words"] == (texts.words >= 3)).all()
    assert set(texts["clean.text.min_words"]) == {True, False}
    broken = table[table.uri == "3.png"].iloc[0]
    assert broken["clean.image.decodable"] is np.False_ or broken["clean.image.decodable"] is False
    assert pandas.isna(broken["clean.image.max_dark"])


def test_verdicts_are_what_the_numbers_beside_them_say(
    ran: tuple[Path, dict[str, Any]],
) -> None:
    root, _ = ran
    table = signals(root / "out")
    for rule, number, limit in (
        ("clean.image.min_sharpness", "sharpness", 19.6),
        ("clean.audio.min_seconds", "duration_s", 0.4),
        ("clean.rules.text.words", "words", 2),
    ):
        asked = table[table[rule].notna()]
        assert len(asked) > 5
        assert (asked[rule] == (asked[number] >= limit)).all()


def test_the_table_is_the_same_for_any_engine_and_is_not_written_twice(
    ran: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    root, _ = ran
    last = ("--until", "clean.video")
    modalmill("run", root / "r.yaml", "--out", tmp_path / "b", *last, "--engine", "serial")
    first, other = root / "out" / "signals.parquet", tmp_path / "b" / "signals.parquet"
    assert first.read_bytes() == other.read_bytes()
    stamp = os.stat(other).st_mtime_ns
    modalmill("run", root / "r.yaml", "--out", tmp_path / "b", *last)
    assert os.stat(other).st_mtime_ns == stamp
    other.unlink()
    modalmill("run", root / "r.yaml", "--out", tmp_path / "b", *last)
    assert first.read_bytes() == other.read_bytes()


def test_a_part_that_was_judged_and_then_cut_stands_beside_its_pieces(
    tmp_path: Path, run_recipe: Run
) -> None:
    random, raw = np.random.default_rng(0), tmp_path / "raw"
    raw.mkdir()
    for number in range(3):
        noise = random.normal(0, 0.1, 8000 * (2 + number))
        noise[: 8000 * number] = 0  # the first seconds of the others are silent
        soundfile.write(raw / f"{number}.wav", noise, 8000)
    source = {"s": {"type": "audio_folder", "path": "raw"}}
    stages = [
        {"clean.audio": {"max_silence": 0.4}},
        {"align.cut": {"by": "windows", "window_s": 1.0}},
        {"clean.rules": {"audio.silence": "< 0.5"}},
    ]
    result = run_recipe(recipe(tmp_path, source, stages, tolerance=1.0))
    table = signals(tmp_path / "out")
    assert rejected_by_rules(table, ["clean.audio", "align.cut", "clean.rules"]) == {
        "clean.audio": 1,
        "clean.rules": 1,
    }
    assert [count.rejected for count in result.account.stages] == [1, 0, 1, 0]
    whole = table[table.start_s.isna()].set_index("uri")
    assert whole.fate.to_dict() == {
        "raw/0.wav": "replaced",
        "raw/1.wav": "replaced",
        "raw/2.wav": "rejected",
    }
    assert whole.silence.round(2).to_dict() == {
        "raw/0.wav": 0.0,
        "raw/1.wav": 0.33,
        "raw/2.wav": 0.5,
    }
    pieces = table[table.start_s.notna()]
    assert pieces["clean.audio.max_silence"].isna().all()
    assert pieces.round(3).groupby("uri").silence.apply(list).to_dict() == {
        "raw/0.wav": [0.0, 0.0],
        "raw/1.wav": [1.0, 0.0, 0.0],
    }


def test_copies_are_not_said_to_have_been_judged(tmp_path: Path, run_recipe: Run) -> None:
    for number in range(4):
        write(tmp_path / f"{number}.jpg", jpeg(seed=number))
    stages = [
        "clean.image",
        {"align.split": {"shares": {"train": 1.0}}},
        {"augment.jitter": {"copies": 2}},
    ]
    source = {"s": {"type": "image_folder", "path": "."}}
    run_recipe(recipe(tmp_path, source, stages))
    table = signals(tmp_path / "out")
    assert len(table) == 12
    assert table["clean.image.max_dark"].notna().sum() == 4


def test_measuring_alone_shows_what_there_is_and_costs_the_run_nothing(
    ran: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    root, _ = ran
    shown = modalmill("measure", root / "r.yaml", "--out", tmp_path / "m")
    table = pandas.read_parquet(tmp_path / "m" / "measured.parquet")
    assert "image: of 24 cannot be used 1 (1 image_truncated)" in shown
    line = next(line.split() for line in shown.splitlines() if line.startswith("image  sharpness"))
    sharpness = table[table.part == "image"].sharpness.dropna()
    wanted = [f"{len(sharpness)}", *(sharpness.quantile(q) for q in (0, 0.01, 0.5, 0.99, 1))]
    assert line[2] == wanted[0]
    assert [float(word.replace(",", "")) for word in line[3:]] == pytest.approx(
        wanted[1:], rel=2e-3
    )
    assert "phash" not in shown
    # no stage was asked for, and the films were measured all the same
    assert table[table.part == "film"].frozen.notna().all()
    assert not [name for name in table.columns if name.startswith("clean.")]
    media = {path: path.stat().st_mtime_ns for path in (tmp_path / "m" / "work").rglob("*.arrow")}
    modalmill("run", root / "r.yaml", "--out", tmp_path / "m", "--until", "clean.video")
    now = set((tmp_path / "m" / "work" / "media").rglob("*.arrow"))
    assert now == {path for path in media if "media" in path.parts}
    assert (tmp_path / "m" / "signals.parquet").read_bytes() == (
        root / "out" / "signals.parquet"
    ).read_bytes()
    # and a look at what there is leaves what a run wrote
    written = {path: path.read_bytes() for path in (tmp_path / "m").glob("*.*")}
    modalmill("measure", root / "r.yaml", "--out", tmp_path / "m")
    assert written == {path: path.read_bytes() for path in (tmp_path / "m").glob("*.*")}
    again = modalmill("run", root / "r.yaml", "--out", tmp_path / "m", "--until", "clean.video")
    assert "rejected" in again
    assert now == set((tmp_path / "m" / "work" / "media").rglob("*.arrow"))


def test_what_a_recipe_asks_to_measure_is_measured_though_no_stage_reads_it(
    tmp_path: Path, run_recipe: Run
) -> None:
    write(tmp_path / "a.jpg", jpeg())
    value = recipe(tmp_path, {"s": {"type": "image_folder", "path": "."}}, [])
    run_recipe(value, tmp_path / "without")
    assert "sharpness" not in signals(tmp_path / "without").columns
    for name in ("image", "image.*"):
        run_recipe(value | {"measure": [name]}, tmp_path / name)
        assert signals(tmp_path / name).sharpness.notna().all()
    with pytest.raises(Exception, match="did you mean 'image'"):
        run_recipe(value | {"measure": ["imge"]})


def test_fingerprints_are_made_where_a_stage_compares_and_serve_those_that_do_not(
    tmp_path: Path, run_recipe: Run
) -> None:
    for number in range(3):
        write(tmp_path / "raw" / f"{number}.wav", wav(300.0 + 100 * number))
    source = {"s": {"type": "audio_folder", "path": "raw"}}
    folder = tmp_path / "out" / "work" / "media"

    def measured(*stages: Any) -> dict[Path, bool]:
        run_recipe(recipe(tmp_path, source, ["clean.audio", *stages]))
        return {
            path: read_table(path)["likeness"].null_count == 0 for path in folder.rglob("*.arrow")
        }

    assert list(measured().values()) == [False]
    assert list(measured({"clean.duplicates": {"sounds": False}}).values()) == [False]
    both = measured("clean.duplicates")
    assert sorted(both.values()) == [False, True]
    # the other way round nothing is measured again
    stamps = {path: path.stat().st_mtime_ns for path in both}
    assert measured() == both
    assert {path: path.stat().st_mtime_ns for path in both} == stamps
    assert signals(tmp_path / "out").level_db.notna().all()


def test_a_film_is_sketched_where_a_stage_compares_beside_the_fingerprint_of_its_sound(
    tmp_path: Path, run_recipe: Run
) -> None:
    for number in range(2):
        write(tmp_path / "raw" / f"{number}.mp4", mp4(frames=20 + number))
    part = {kind: {"path": "raw/{stem}.mp4", "modality": kind} for kind in ("video", "audio")}
    write(tmp_path / "t.csv", "stem\n0\n1\n")
    source = {"s": {"type": "csv", "path": "t.csv", "id": "{stem}", "media": part}}
    media = tmp_path / "out" / "work" / "media"
    for options, wanted in (({"films": False}, {"audio"}), ({}, {"audio", "video"})):
        run_recipe(recipe(tmp_path, source, [{"clean.duplicates": options}]))
        tables = [read_table(path) for path in media.rglob("*.arrow")]
        rows = [row for table in tables for row in table.to_pylist() if row["likeness"]]
        assert {row["modality"] for row in rows} == wanted
    # one file is a sound and a film, and each is compared by its own
    likeness = Likenesses(media.rglob("*.arrow"))
    for content in {row["hash"] for row in rows}:
        film, sound = likeness(content, "video"), likeness(content, "audio")
        assert film is not None
        assert sound is not None
        assert (film.dtype, sound.dtype) == (np.uint16, np.uint32)
        assert likeness(content, "image") is None
    assert likeness("none", "video") is None


def test_another_way_of_comparing_leaves_the_other_measurements_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def made_by() -> dict[str, str]:
        return units_wanted(on_disk("video"), {"black", LIKENESS}, {})

    before = made_by()
    monkeypatch.setattr(type(on_disk("video")), "likeness_version", 99)
    assert {unit for unit, own in made_by().items() if own != before[unit]} == {LIKENESS}


def cells(text: str) -> dict[str, list[int]]:
    """The numbers of each line of a table, by what stands before them."""
    lines = [line.split() for line in text.splitlines()[1:-1]]
    return {" ".join(line[:-4]): [int(word) for word in line[-4:]] for line in lines}


def test_yields_count_what_each_rule_takes_and_what_another_would(
    ran: tuple[Path, dict[str, Any]],
) -> None:
    root, _ = ran
    table = signals(root / "out")
    found = cells(
        modalmill("yields", root / "out", "--if", "image.dark <= 0.01", "--if", "text.words >= 3")
    )
    rules = [name for name in table.columns if name.startswith("clean.")]
    broken = (table[rules] == False).groupby(table.key).any()  # noqa: E712
    written = set(table[table.fate == "written"].key)
    for rule in rules:
        mine = broken.index[broken[rule]]
        assert found[rule] == [
            table[table[rule].notna()].key.nunique(),
            len(mine),
            int((broken.loc[mine].sum(axis=1) == 1).sum()),
            len(written & set(mine)),
        ]
    words = table[table.part == "text"].set_index("key").words
    assert found["text.words >= 3"][:2] == [len(words), int((words < 3).sum())]
    assert found["text.words >= 3"][3] == 0  # clean.text has taken them
    # a rule that was not there takes what a run with it takes
    stages = [{"clean.rules": {"image.dark": "<= 0.01"}}]
    value = yaml.safe_load((root / "r.yaml").read_text()) | {"stages": stages}
    write(root / "what_if.yaml", yaml.safe_dump(value))
    modalmill("run", root / "what_if.yaml", "--out", root / "what_if", "--until", "clean.rules")
    other = json.loads((root / "what_if" / "account.json").read_text())
    assert found["image.dark <= 0.01"][1] == other["stages"]["clean.rules"]["rejected"]


def test_a_look_at_the_records_that_a_condition_names(
    ran: tuple[Path, dict[str, Any]],
) -> None:
    root, _ = ran
    shown = modalmill(
        *("look", root / "out", "--by", "-image.sharpness", "-n", 5),
        *("--where", "image.sharpness > 20 and rule != 'image_blurred' and 'text' in parts"),
    ).splitlines()
    table = signals(root / "out")
    sharp = table[(table.part == "image") & (table.sharpness > 20) & table.rule.notna()]
    sharp = sharp.sort_values("sharpness", ascending=False)
    assert [line.split()[0] for line in shown[1:-1]] == list(sharp.key[:5])
    assert shown[-1] == f"{len(sharp)} of 24 records; the first 5"
    for where, by, line in (
        ("image.sharpnes > 3", "", "did you mean 'image.sharpness'"),
        ("'imge' in parts", "", "did you mean 'image'"),
        ("", "image.sharpnes", "did you mean 'image.sharpness'"),
    ):
        with pytest.raises(InputError, match=line):
            look_text(root / "out", where, by, 5)
    with pytest.raises(InputError, match=r"no signals.parquet here"):
        look_text(root, "", "", 5)
    with pytest.raises(InputError, match="is no condition"):
        yields_text(root / "out", ["image.dark"])


def test_a_rule_on_sounds_does_not_measure_the_pictures_again(
    tmp_path: Path, run_recipe: Run
) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.png", png(seed=number))
        write(tmp_path / f"{number}.wav", wav())
    write(tmp_path / "t.csv", "id\n0\n1\n2\n")
    media = {"image": {"path": "{id}.png"}, "voice": {"path": "{id}.wav"}}
    source = {"s": {"type": "csv", "path": "t.csv", "id": "{id}", "media": media}}

    def measured(stages: list[Any]) -> set[Path]:
        run_recipe(recipe(tmp_path, source, stages))
        return {
            path
            for path in (tmp_path / "out" / "work" / "media").rglob("*.arrow")
            if "image" in read_table(path)["modality"].to_pylist()
        }

    assert measured(["clean.image"]) == measured(["clean.image", "clean.audio"]) != set()


def test_row_groups_change_nothing_but_themselves(
    ran: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = ran
    for module in (signals_module, rejects_module, manifest_module):
        monkeypatch.setattr(module, "_ROWS_PER_GROUP", 3)
    command = ("run", root / "r.yaml", "--out", tmp_path / "out", "--engine", "serial")
    modalmill(*command, "--until", "clean.video")
    for name in ("signals.parquet", "rejects.parquet", "manifest/part-00000.parquet"):
        there = tmp_path / "out" / name
        assert pq.ParquetFile(there).num_row_groups > 1, name
        assert pq.read_table(there).equals(pq.read_table(root / "out" / name)), name
