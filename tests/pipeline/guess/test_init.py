"""``modalmill init`` on the command line, and what a run keeps of the recipe that it wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import commands
import pandas as pd
import pytest
import yaml
from modalmill.pipeline.texts import read_account
from tiny import jpeg, mp4, wav, write

WORDS = ["the", "a", "dog", "cat", "runs", "sleeps", "on", "under", "old", "new", "house"]


def said(number: int) -> str:
    return " ".join(WORDS[(number * step) % len(WORDS)] for step in range(1, 9)) + f" {number}"


def made(folder: Path, out: Path) -> dict[str, Any]:
    """The recipe that init writes for a folder."""
    done = commands.here("init", folder, "--out", out)
    assert done.returncode == 0, done.stderr
    recipe: dict[str, Any] = yaml.safe_load(out.read_text(encoding="utf-8"))
    return recipe


def kept(out: Path, stop: str = "align.split") -> dict[str, Any]:
    """The account of a run of a recipe, as it is, as far as the named stage."""
    run = commands.here("run", out, "--out", out.parent / "run", "--until", stop, "--engine",
                        "serial", "--quiet")  # fmt: skip
    assert run.returncode == 0, run.stderr
    return read_account(out.parent / "run").to_dict()


def addresses(recipe: dict[str, Any]) -> list[str]:
    return [next(iter(stage)) for stage in recipe["stages"]]


def test_an_export_from_excel_leads_to_its_files_whatever_they_are_called(tmp_path: Path) -> None:
    """cp1252, ``;``, ``sep=``, decimal commas, backslashes, umlauts in folders, numbers in names,
    some pictures broken.
    """
    root = tmp_path / "Größe"
    lines = ["sep=;", "Artikel-Nr.;Bild;Beschreibung;Kategorie;Preis"]
    for number in range(1, 13):
        kind = ["Möbel", "Küche"][number % 2]
        write(
            root / "Bilder" / kind / f"IMG_{number:04d}.jpg",
            jpeg(seed=number) if number > 2 else b"no picture",
        )
        lines.append(
            f"{number};Bilder\\{kind}\\IMG_{number:04d}.jpg;{said(number)} schön;{kind};"
            f"1.{number + 100},50"
        )
    write(root / "Artikel.csv", "\r\n".join(lines).encode("cp1252"))
    for number in range(1, 9):
        write(root / "Töne" / f"{number:03d}.wav", wav(200 + 20 * number, 0.3))
    for number in (3, 4, 5):
        write(root / "Filme" / f"clip_{number}.mp4", mp4(sound=False))
        cue = f"1\r\n00:00:00,000 --> 00:00:00,400\r\nSchöne Grüße {number}\r\n"
        write(root / "Filme" / f"clip_{number}.srt", cue.encode("cp1252"))
    write(root / ".DS_Store", b"\0")
    recipe = made(root, tmp_path / "r.yaml")
    source = recipe["sources"]["artikel"]
    assert recipe["name"] == "grosse"
    assert {name: entry["path"] for name, entry in source["media"].items()} == {
        "image": "{Bild}",
        "audio": "Töne/{Artikel-Nr.:03d}.wav",
        "video": "Filme/clip_{Artikel-Nr.}.mp4",
    }
    assert source["cues"] == {"words": "Filme/clip_{Artikel-Nr.}.srt"}
    assert (source["decimal"], source["thousands"]) == (",", ".")
    assert (source["targets"], source["numbers"]) == (
        {"kategorie": "Kategorie"},
        {"preis": "Preis"},
    )
    account = kept(tmp_path / "r.yaml")
    assert account["stages"]["align.split"]["written"] == 12
    patterns = account["stages"]["align.split"]["presence"]
    has = {
        part: sum(count for pattern, count in patterns.items() if part in pattern.split("+"))
        for part in ("image", "audio", "video", "words", "beschreibung")
    }
    assert has == {"image": 10, "audio": 8, "video": 3, "words": 3, "beschreibung": 12}


def test_folders_of_classes_give_labels_and_splits(tmp_path: Path) -> None:
    root = tmp_path / "pets"
    for split, count in (("train", 6), ("val", 2), ("test", 3)):
        for label in ("cat", "dog"):
            for number in range(count):
                seed = len(list(root.rglob("*.jpg")))
                write(root / split / label / f"{number}.jpg", jpeg(seed=seed))
    recipe = made(root, tmp_path / "r.yaml")
    assert recipe["sources"]["image"]["parse"] == "{split}/{label}/{file}"
    assert recipe["train"]["target"] == "label"
    account = kept(tmp_path / "r.yaml", "clean.image")
    assert account["stages"]["clean.image"]["splits"] == {"train": 12, "val": 4, "test": 6}


def test_tables_with_a_key_in_common_are_joined(tmp_path: Path) -> None:
    """Captions and labels of the same pictures; works and their artists."""
    for number in range(20):
        write(tmp_path / "two" / "img" / f"p{number}.jpg", jpeg(seed=number))
    names = [f"p{number}.jpg" for number in range(20)]
    captions = pd.DataFrame({"image": names, "caption": list(map(said, range(20)))})
    captions.to_csv(tmp_path / "two" / "captions.csv", index=False)
    labels = pd.DataFrame({"image": names[:18], "label": ["a", "b"] * 9})
    labels.to_csv(tmp_path / "two" / "labels.csv", index=False)
    recipe = made(tmp_path / "two", tmp_path / "r.yaml")
    assert recipe["stages"][0] == {"align.join": {"sources": ["captions", "labels"]}}
    account = kept(tmp_path / "r.yaml")
    assert account["stages"]["align.join"]["merged"] == 18
    assert account["stages"]["align.require"]["missing"] == 2

    folder = tmp_path / "fk"
    folder.mkdir()
    keys = [f"ar{number}" for number in range(10)]
    artists = pd.DataFrame({"artist_id": keys, "bio": list(map(said, range(10)))})
    artists.to_csv(folder / "artists.csv", index=False)
    works = pd.DataFrame(
        {
            "work_id": [f"w{number}" for number in range(40)],
            "artist_id": keys * 4,
            "title": [said(number + 100) for number in range(40)],
            "style": ["oil", "ink"] * 20,
        }
    )
    works.to_csv(folder / "works.csv", index=False)
    recipe = made(folder, tmp_path / "fk.yaml")
    assert recipe["stages"][0]["align.join"] == {
        "sources": ["works", "artists"],
        "match": {"works": "{group}"},
    }


def test_running_numbers_of_two_tables_are_no_key(tmp_path: Path) -> None:
    for name, count in (("users", 30), ("reviews", 9)):
        table = pd.DataFrame(
            {"id": range(1, count + 1), "about": [said(number) for number in range(count)]}
        )
        table.to_csv(write(tmp_path / "d" / f"{name}.csv", ""), index=False)
    recipe = made(tmp_path / "d", tmp_path / "r.yaml")
    assert "align.join" not in addresses(recipe)


def test_ids_that_pandas_wrote_with_decimals_are_those_without(tmp_path: Path) -> None:
    texts = "".join(f"{n},{said(n)}\n" for n in range(1, 51))
    labels = "".join(f"{n}.0,{'ab'[n % 2]}\n" for n in range(1, 51))
    write(tmp_path / "d" / "texts.csv", f"id,text\n{texts}")
    write(tmp_path / "d" / "labels.csv", f"id,label\n{labels}")
    made(tmp_path / "d", tmp_path / "r.yaml")
    assert kept(tmp_path / "r.yaml")["stages"]["align.join"]["merged"] == 50


@pytest.mark.parametrize(
    ("names", "columns", "are_joined"),
    [
        (("reviews", "jokes"), ("id", "id"), False),
        (("reviews", "reviews_funny"), ("id", "id"), True),
        (("reviews", "jokes"), ("review_id", "review_id"), True),
    ],
)
def test_tables_with_running_numbers_are_joined_where_their_names_say_so_too(
    tmp_path: Path, names: tuple[str, str], columns: tuple[str, str], are_joined: bool
) -> None:
    for place, (name, column) in enumerate(zip(names, columns, strict=True)):
        rows = "".join(f"{n},{said(n + 99 * place)},{'ab'[n % 2]}\n" for n in range(40))
        write(tmp_path / "d" / f"{name}.csv", f"{column},text{place},label{place}\n{rows}")
    recipe = made(tmp_path / "d", tmp_path / "r.yaml")
    assert ("align.join" in addresses(recipe)) == are_joined
    assert ("its ids are running numbers" in (tmp_path / "r.yaml").read_text()) != are_joined


@pytest.mark.parametrize("written", ["{}", "{:03d}"])
def test_media_of_one_name_or_number_are_one_record(tmp_path: Path, written: str) -> None:
    root = tmp_path / "d"
    for number in range(1, 9):
        write(root / "snd" / f"{number}.wav", wav(200 + 30 * number, 0.2))
        write(root / "pic" / f"{written.format(number)}.jpg", jpeg(seed=number))
    recipe = made(root, tmp_path / "r.yaml")
    assert addresses(recipe)[0] == "align.join"
    assert kept(tmp_path / "r.yaml")["stages"]["align.join"]["merged"] == 8


def test_pictures_on_the_left_and_on_the_right_are_two_parts(tmp_path: Path) -> None:
    rows = []
    for number in range(6):
        for side in "lr":
            write(tmp_path / "d" / side / f"{number}.jpg", jpeg(seed=number * 2 + (side == "l")))
        pair = {"left_image": f"l/{number}.jpg", "right_image": f"r/{number}.jpg"}
        rows.append(json.dumps({**pair, "sentence": said(number), "label": bool(number % 2)}))
    write(tmp_path / "d" / "pairs.jsonl", "\n".join(rows))
    recipe = made(tmp_path / "d", tmp_path / "r.yaml")
    media = recipe["sources"]["pairs"]["media"]
    assert sorted(media) == ["left_image", "right_image"]
    assert recipe["train"]["inputs"]["right_image"]["same_as"] == "left_image"
    account = kept(tmp_path / "r.yaml")
    assert account["stages"]["align.split"]["presence"] == {"left_image+right_image+sentence": 6}


def test_files_in_many_folders_are_joined_by_their_names(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / "d" / "data" / "abcd"[number % 4] / f"im{number}.jpg", jpeg(seed=number))
    table = pd.DataFrame(
        {"name": [f"im{number}.jpg" for number in range(20)], "what": ["k"] * 10 + ["l"] * 10}
    )
    table.to_csv(tmp_path / "d" / "list.csv", index=False)
    recipe = made(tmp_path / "d", tmp_path / "r.yaml")
    assert recipe["train"]["target"] == "what"
    assert kept(tmp_path / "r.yaml")["stages"]["align.join"]["merged"] == 20


def test_folds_and_splits_of_a_column_are_kept(tmp_path: Path) -> None:
    for number in range(10):
        write(tmp_path / "f" / "audio" / f"a{number}.wav", wav(200 + 20 * number, 0.2))
    table = pd.DataFrame(
        {
            "file": [f"a{number}.wav" for number in range(10)],
            "fold": [number % 5 + 1 for number in range(10)],
            "class": ["x", "y"] * 5,
        }
    )
    table.to_csv(tmp_path / "f" / "meta.csv", index=False)
    recipe = made(tmp_path / "f", tmp_path / "r.yaml")
    assert recipe["sources"]["meta"]["split"] == "fold{fold}"
    assert recipe["train"]["train_split"] == "fold1+fold2+fold3+fold4"
    assert not {"align.split", "clean.duplicates"} & set(addresses(recipe))
    account = kept(tmp_path / "r.yaml", "clean.audio")
    assert account["stages"]["clean.audio"]["splits"] == {f"fold{fold}": 2 for fold in range(1, 6)}


def test_split_files_are_one_set_and_answers_of_the_test_set_may_lack(tmp_path: Path) -> None:
    root = tmp_path / "d"
    root.mkdir()
    for split, count in (("train", 20), ("test", 8)):
        rows = [{"text": f"{split} {said(number)}", "label": "ab"[number % 2]}
                for number in range(count)]  # fmt: skip
        table = pd.DataFrame(rows)
        (table if split == "train" else table[["text"]]).to_csv(root / f"{split}.csv", index=False)
    pd.DataFrame({"id": [1], "label": ["a"]}).to_csv(root / "sample_submission.csv", index=False)
    recipe = made(root, tmp_path / "r.yaml")
    assert {name: own["split"] for name, own in recipe["sources"].items()} == {
        "train": "train",
        "test": "test",
    }
    assert kept(tmp_path / "r.yaml", "clean.text")["stages"]["clean.text"]["splits"] == {
        "train": 20,
        "test": 8,
    }


def test_cells_that_say_not_available_are_empty(tmp_path: Path) -> None:
    rows = "".join(
        f"{'NA' if n % 7 == 0 else said(n)},{['N/A', 'good', 'bad'][n % 3]}\n" for n in range(90)
    )
    write(tmp_path / "d" / "r.csv", "text,label\n" + rows)
    source = made(tmp_path / "d", tmp_path / "r.yaml")["sources"]["r"]
    assert source["absent"] == ["NA", "N/A"]
    assert "text (13), label (30)" in (tmp_path / "r.yaml").read_text()


def test_a_table_of_cells_alone_is_what_is_learnt_from(tmp_path: Path) -> None:
    rows = [
        {"id": number, "rooms": number % 7, "city": ["Bonn", "Ulm"][number % 2], "price": n * 1.5}
        for number, n in enumerate(range(100, 160))
    ]
    pd.DataFrame(rows).to_csv(write(tmp_path / "d" / "houses.csv", ""), index=False)
    recipe = made(tmp_path / "d", tmp_path / "r.yaml")
    assert recipe["sources"]["houses"]["table"] == {"cells": ["rooms", "city"]}
    assert (recipe["train"]["task"], recipe["train"]["target"]) == ("regression", "price")


def test_numbers_and_classes_beside_a_text_are_learnt_from_and_the_test_set_lacks_the_target(
    tmp_path: Path,
) -> None:
    """Columns as those of the passengers of the Titanic."""
    rows = [
        {
            "PassengerId": number,
            "Survived": int(number % 3 == 0),
            "Pclass": number % 3 + 1,
            "Name": said(number),
            "Sex": ["male", "female"][number % 2],
            "Age": None if number % 5 == 0 else 1 + number % 79,
            "Fare": number * 0.37 + 5,
        }
        for number in range(1, 151)
    ]
    table = pd.DataFrame(rows)
    table[:100].to_csv(write(tmp_path / "d" / "train.csv", ""), index=False)
    table[100:].drop(columns="Survived").to_csv(tmp_path / "d" / "test.csv", index=False)
    recipe = made(tmp_path / "d", tmp_path / "r.yaml")
    cells = {"cells": ["Pclass", "Sex", "Age", "Fare"]}
    assert [own["table"] for own in recipe["sources"].values()] == [cells, cells]
    assert recipe["train"]["target"] == "survived"
    assert sorted(recipe["train"]["inputs"]) == ["cells", "name"]


def test_the_first_sheet_that_is_a_table_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": [said(n) for n in range(30)], "label": ["a", "b"] * 15})
    path = write(tmp_path / "d" / "book.xlsx", "")
    with pd.ExcelWriter(path, engine="openpyxl") as book:
        about = pd.DataFrame(["This is an export", "of a survey"])
        about.to_excel(book, sheet_name="ReadMe", index=False, header=False)
        table.to_excel(book, sheet_name="Data", index=False)
        table.to_excel(book, sheet_name="Old", index=False)
    source = made(tmp_path / "d", tmp_path / "r.yaml")["sources"]["book"]
    assert (source["sheet"], source["text"]) == ("Data", {"text": "text"})
    assert "not read: 'ReadMe', 'Old'" in (tmp_path / "r.yaml").read_text()


def test_captions_of_coco_are_read_and_boxes_are_told(tmp_path: Path) -> None:
    root = tmp_path / "d"
    images = [{"id": n, "file_name": f"COCO_val2014_{n:012d}.jpg"} for n in range(12)]
    for number, image in enumerate(images):
        write(root / "images" / str(image["file_name"]), jpeg(seed=number))
    captions = [{"id": n, "image_id": n // 2, "caption": said(n)} for n in range(24)]
    boxes = [{"id": n, "image_id": n, "bbox": [0, 0, 1, 1], "category_id": 1} for n in range(12)]
    for name, entries in (("captions", captions), ("instances", boxes)):
        text = json.dumps({"images": images, "annotations": entries})
        write(root / f"{name}_val2014.json", text)
    recipe = made(root, tmp_path / "r.yaml")
    assert {own["type"] for own in recipe["sources"].values()} == {"coco_captions"}
    account = kept(tmp_path / "r.yaml")
    assert account["stages"]["align.split"]["presence"] == {"caption+image": 24}
    text = (tmp_path / "r.yaml").read_text()
    assert "instances_val2014.json: annotations of COCO without captions" in text


def test_one_table_is_read_with_the_files_around_it(tmp_path: Path) -> None:
    write(
        tmp_path / "d" / "a.csv", "text,label\n" + "".join(f"{said(n)},{n % 2}\n" for n in range(9))
    )
    write(tmp_path / "d" / "b.csv", "other,label\n" + "".join(f"{said(n)},x\n" for n in range(9)))
    done = commands.here("init", tmp_path / "d" / "a.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    recipe = yaml.safe_load((tmp_path / "a.yaml").read_text())
    assert [own["path"] for own in recipe["sources"].values()] == ["a.csv"]


def test_mistakes_are_one_sentence_and_write_nothing(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    write(tmp_path / "odd" / "x.foo", "1")
    write(tmp_path / "odd" / "y.tar", b"\0" * 1024)
    write(tmp_path / "there.yaml", "mine")
    pd.DataFrame({"image": [{"bytes": b"1"}] * 3}).to_parquet(
        write(tmp_path / "hf" / "t.parquet", "")
    )

    def refused(*words: object) -> str:
        done = commands.here("init", *words, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr

    assert "did you mean 'pictures'?" in refused(tmp_path / "picturse")
    assert "the folder is empty" in refused("pictures")
    told = refused("odd")
    assert "found none to learn from among 2 files" in told
    assert "found no sample that can be read in 1 of them: y.tar holds no member" in told
    assert "image.bytes (its cells are nested, or bytes)" in refused("hf")
    assert "wanted a folder or a table" in refused("odd/x.foo")
    assert "is there already" in refused("odd", "--out", "there.yaml")
    assert "there is no such folder" in refused("odd", "--out", "nowhere/r.yaml")
    assert (tmp_path / "there.yaml").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["hf", "odd", "pictures", "there.yaml"]


def test_what_was_passed_over_is_told_on_the_terminal_and_in_the_recipe(tmp_path: Path) -> None:
    write(tmp_path / "d" / "t.csv", "text,label,when\n" + "".join(
        f"{said(n)},{'ab'[n % 2]},2024-01-0{n + 1}\n" for n in range(9)))  # fmt: skip
    write(tmp_path / "d" / "README.md", "# about")
    write(tmp_path / "d" / "model.pkl", b"1")
    done = commands.here("init", "d", cwd=tmp_path)
    text = (tmp_path / "d.yaml").read_text()
    for line in ("README.md: about the data", "model.pkl: a pickle can run code"):
        assert line in done.stdout
        assert line in text
    assert "columns passed over: when (its cells are dates)" in text
    assert "modalmill run d.yaml" in done.stdout


def test_files_that_are_no_tables_are_told_once(tmp_path: Path) -> None:
    write(tmp_path / "d" / "t.csv", "text,label\n" + "".join(
        f"{said(n)},{'ab'[n % 2]}\n" for n in range(9)))  # fmt: skip
    write(tmp_path / "d" / "e.csv", "")
    for number in range(5):
        write(tmp_path / "d" / "one" / f"{number}.json", json.dumps({"label": "a"}))
    done = commands.here("init", "d", cwd=tmp_path)
    assert done.stdout.count("e.csv") == 1
    assert "one: 5 files of JSON with one object each" in done.stdout
    assert list(yaml.safe_load((tmp_path / "d.yaml").read_text())["sources"]) == ["t"]


def test_files_that_are_named_and_not_there_are_told(tmp_path: Path) -> None:
    rows = "".join(f"{said(n)},a/{n}.wav\n" for n in range(9))
    write(tmp_path / "d" / "t.csv", "text,sound\n" + rows)
    write(tmp_path / "d" / "\x1b[2Jodd.foo", "1")  # no terminal, and no YAML, is to see this
    done = commands.here("init", "d", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "'sound' names files, and none of them is here" in done.stdout
    assert "\x1b" not in (tmp_path / "d.yaml").read_text()


REAL = {  # data set -> last stage, records kept there, target
    "esc50_sample": ("align.split", 32, "category"),
    "grid_s1": ("align.split", 36, "command"),
    "ljspeech_sample": ("align.split", 8, None),
    "meld": ("clean.text", 11_098, "emotion"),
    "resumes": ("align.split", 48, "category"),
    "sms_spam": ("align.split", 5158, "v1"),
    "tate_artists": ("align.split", 3416, "gender"),
}


@pytest.mark.parametrize("name", [*REAL, "mdn_video", "nlvr", "vqa_coco"])
def test_real_data_have_a_recipe_with_the_target_of_a_person(
    shared: Path, tmp_path: Path, name: str
) -> None:
    recipe = made(shared / name, tmp_path / f"{name}.yaml")
    targets = {**{key: value[2] for key, value in REAL.items()}, "mdn_video": None,
               "nlvr": "label", "vqa_coco": "answers"}  # fmt: skip
    assert (recipe.get("train") or {}).get("target") == targets[name]


@pytest.mark.parametrize("name", ["esc50_sample", "ljspeech_sample", "resumes"])
def test_real_data_are_kept_by_their_recipe(shared: Path, tmp_path: Path, name: str) -> None:
    made(shared / name, tmp_path / f"{name}.yaml")
    stage, records, _ = REAL[name]
    assert kept(tmp_path / f"{name}.yaml", stage)["stages"][stage]["written"] == records


def test_two_tables_of_one_folder_take_each_picture_once(tmp_path: Path) -> None:
    train, test = ["file,label,remark"], ["file,remark"]
    for number in range(50):
        write(tmp_path / "d" / "images" / f"{number}.jpg", jpeg(seed=number))
        if number < 40:
            train.append(f"{number}.jpg,{'ab'[number % 2]},{said(number)}")
        else:
            test.append(f"{number}.jpg,{said(number)}")
    write(tmp_path / "d" / "train.csv", "\n".join(train) + "\n")
    write(tmp_path / "d" / "test.csv", "\n".join(test) + "\n")
    made(tmp_path / "d", tmp_path / "r.yaml")
    account = kept(tmp_path / "r.yaml", "ingest")
    assert {name: one["written"] for name, one in account["sources"].items()} == {
        "train": 40,
        "test": 10,
    }


def test_the_target_in_other_words_is_nothing_to_learn_from(tmp_path: Path) -> None:
    names = ["dog bark", "siren", "drill"]
    lines = ["class,classID,weight,note"]
    lines += [f"{names[n % 3]},{n % 3},{20 + n * 7 % 23},{said(n)}" for n in range(60)]
    write(tmp_path / "d" / "t.csv", "\n".join(lines) + "\n")
    done = commands.here("init", tmp_path / "d", "--out", tmp_path / "r.yaml")
    source = yaml.safe_load((tmp_path / "r.yaml").read_text())["sources"]["t"]
    assert source["targets"] == ["class"]
    assert "classID" not in str(source.get("table"))
    told = "column passed over: classID, which says what class says in other words"
    assert told in " ".join(done.stdout.split())


def test_sites_with_rows_of_their_own_are_all_read_and_versions_once(tmp_path: Path) -> None:
    for place, (site, first) in enumerate((("a", 0), ("b", 100), ("a_copy", 0))):
        for split, count in (("train", 30), ("test", 10)):
            start = first + (30 if split == "test" else 0)
            rows = [f"{said(start + n)},{'xy'[(n + (place == 2)) % 2]}" for n in range(count)]
            write(tmp_path / "d" / site / f"{split}.csv", "\n".join(["text,label", *rows]) + "\n")
    done = commands.here("init", tmp_path / "d", "--out", tmp_path / "r.yaml")
    sources = yaml.safe_load((tmp_path / "r.yaml").read_text())["sources"]
    paths = {source["path"]: source.get("split") for source in sources.values()}
    assert paths == {
        "a/train.csv": "train",
        "a/test.csv": "test",
        "b/train.csv": "train",
        "b/test.csv": "test",
    }
    assert "a_copy/train.csv: another version of what lies in a" in done.stdout


def test_what_a_column_means_is_one_thing_in_all_tables_of_a_set(tmp_path: Path) -> None:
    for split, count in (("train", 60), ("validation", 12)):
        rows = [f"{said(n)},{n % 3 if split == 'train' else n}" for n in range(count)]
        write(tmp_path / "d" / f"{split}.csv", "\n".join(["text,verb_class", *rows]) + "\n")
    recipe = made(tmp_path / "d", tmp_path / "r.yaml")
    roles = {
        option
        for source in recipe["sources"].values()
        for option in ("targets", "numbers")
        if "verb_class" in source.get(option, [])
    }
    assert len(roles) == 1


def test_subtitles_in_several_languages_are_one_of_them_and_the_others_told(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / "d" / f"c{number}.mp4", mp4(sound=False))
        for word in ("de", "en", "fr"):
            cue = f"1\n00:00:00,000 --> 00:00:00,400\n{word} {number}\n"
            write(tmp_path / "d" / f"c{number}.{word}.srt", cue)
    done = commands.here("init", tmp_path / "d", "--out", tmp_path / "r.yaml")
    (source,) = yaml.safe_load((tmp_path / "r.yaml").read_text())["sources"].values()
    assert source["cues"] == {"words": "{stem}.de.srt"}
    assert "timed text that is not read: {stem}.en.srt, {stem}.fr.srt" in done.stdout


def test_numbers_beside_each_picture_are_a_text_of_it_and_no_table(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path / "d" / "images" / f"{number}.jpg", jpeg(seed=number))
        boxes = "".join(f"{n} 0.5 0.5 0.2 0.{n + 1}\n" for n in range(4))
        write(tmp_path / "d" / "labels" / f"{number}.txt", boxes)
    recipe = made(tmp_path / "d", tmp_path / "r.yaml")
    kinds = sorted(source["type"] for source in recipe["sources"].values())
    assert kinds == ["image_folder", "text_folder"]


def test_one_table_with_its_pictures_in_several_folders_has_one_part(tmp_path: Path) -> None:
    lines = ["Image Index,label,age"]
    for number in range(60):
        folder = f"images_{1 + number // 20:03d}"
        write(tmp_path / "d" / folder / f"{number:05d}.png", jpeg(seed=number))
        lines.append(f"{number:05d}.png,{'ab'[number % 2]},{30 + number * 7 % 40}")
    write(tmp_path / "d" / "t.csv", "\n".join(lines) + "\n")
    made(tmp_path / "d", tmp_path / "r.yaml")
    account = kept(tmp_path / "r.yaml")
    assert account["stages"]["align.split"]["presence"] == {"cells+image": 60}
