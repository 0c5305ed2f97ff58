"""What a stream changes is what augmenting stages would have written, a new copy in each pass."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from modalmill.pipeline.plan import make_plan
from modalmill.pipeline.run import run
from modalmill.schemas.errors import InputError
from modalmill.schemas.recipe import parse_recipe
from modalmill.schemas.record import Part
from modalmill.stages import stream
from modalmill.stages.media import video
from modalmill.stages.modalities.series import Reading, encode_npz
from modalmill.stages.spec import MIDDLE
from tiny import csv_source, jpeg, mp4, png, recipe, write

from .conftest import make

SEED = 7
MOST_COPIES = 7
SPECS: Mapping[str, stream.Spec] = {
    "image": stream.ImageSpec(size=48, crop="squash"),
    "voice": stream.AudioSpec(rate_hz=8000, seconds=1.0),
    "film": stream.VideoSpec(frames=4, size=32),
    "said": stream.TextSpec(),
}
# of a picture that is compressed once more, and of a sound of 16 bits; texts are equal
CLOSE = {"image": 6.0, "film": 6.0, "voice": 2e-4}
STAGES: Mapping[str, Sequence[Any]] = {
    "noise": ["augment.noise"],
    "speed": ["augment.speed"],
    "filter": [{"augment.filter": {"lowpass_hz": [500, 3000]}}],
    "room": ["augment.room"],
    "crop": [{"augment.crop": {"only_true": False}}],
    "color": [{"augment.color": {"hue": [60, 90]}}],
    "flip": ["augment.flip"],
    "words": [{"augment.text": {"dropout": 0.4}}],
    "time": ["augment.crop_time"],
    "two": ["augment.noise", {"augment.filter": {"highpass_hz": [50, 400]}}],
    "twice": ["augment.noise", "augment.noise"],
}


def corpus(root: Path) -> dict[str, object]:
    """Four recordings, pictures, films and sentences, a record for each number."""
    rows = ["id,said,side"]
    for number in range(4):
        write(root / f"{number}.png", png(seed=number))
        rng = np.random.default_rng(number)
        buffer = io.BytesIO()
        soundfile.write(buffer, rng.normal(0, 0.1, 4800), 8000, format="WAV")
        write(root / f"{number}.wav", buffer.getvalue())
        write(root / f"{number}.mp4", mp4(frames=12, fps=20, sound=False))
        rows.append(f"{number},{'abcd'[number]} dog runs over there and barks,left")
    write(root / "t.csv", "\n".join(rows) + "\n")
    return {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "targets": ["side"],
        "text": {"said": "said"},
        "media": {
            "image": {"path": "{id}.png"},
            "voice": {"path": "{id}.wav"},
            "film": {"path": "{id}.mp4"},
        },
    }


def only(sources: dict[str, Any], parts: Sequence[str]) -> dict[str, Any]:
    """The corpus with these parts alone."""
    media = {name: own for name, own in sources["media"].items() if name in parts}
    texts = {"text": sources["text"]} if "said" in parts else {}
    bare = {key: value for key, value in sources.items() if key not in ("media", "text")}
    return {**bare, **texts, **({"media": media} if media else {})}


def parts_of(name: str) -> tuple[str, ...]:
    return {
        **dict.fromkeys(("crop", "color", "flip"), ("image", "film", "said")),
        "words": ("said",),
        "time": ("voice",),
    }.get(name, ("voice",))


def with_copies(stages: Sequence[Any], copies: int) -> list[Any]:
    """The stages, each with so many copies where it takes a number."""
    entries = [{each: {}} if isinstance(each, str) else each for each in stages]
    return [
        {
            address: {
                **options,
                "only_split": "",
                **({} if address == "augment.flip" else {"copies": copies}),
            }
        }
        for entry in entries
        for address, options in entry.items()
    ]


def read(batches: stream.Stream) -> dict[str, list[Any]]:
    """The parts of every record of an epoch, and its target, by key."""
    rows = {}
    for batch in batches:
        for row, key in enumerate(batch.keys):
            if not key:
                continue
            rows[key] = [
                batch.lists[name][row]
                if name in batch.lists
                else batch.parts[name][row].numpy().copy()
                for name in batch.names
            ] + [batch.targets()[row]["side"]]
    return rows


def alike(one: list[Any], other: list[Any], names: Sequence[str]) -> bool:
    """Whether two records are one, but for what it costs to store them."""
    return one[-1] == other[-1] and all(
        np.abs(mine.astype(float) - theirs.astype(float)).mean() < CLOSE[name]
        if isinstance(mine, np.ndarray)
        else mine == theirs
        for name, mine, theirs in zip(names, one, other, strict=False)
    )


@pytest.mark.parametrize("name", STAGES)
def test_a_stream_gives_the_copies_that_the_stages_write(name: str, tmp_path: Path) -> None:
    names, stages = parts_of(name), STAGES[name]
    sources = {"all": only(corpus(tmp_path), names)}
    shard = {"jpeg_quality": 98, "video_frames": 8, "video_short_side": 64}
    plain = make(tmp_path, sources, shard=shard, seed=SEED)
    specs = {part: SPECS[part] for part in names}
    written = read(
        stream.open(
            _copied(tmp_path, sources, with_copies(stages, MOST_COPIES), shard),
            parts=specs,
            shuffle=False,
            drop_last=False,
        )
    )
    originals = read(stream.open(plain, parts=specs, shuffle=False, drop_last=False))
    families = {
        key: {own: row for own, row in written.items() if own.startswith(key)} for key in originals
    }
    assert len(originals) == 4
    copies = 1 if name == "flip" else 2
    batches = stream.open(
        plain, parts=specs, seed=SEED, augment=with_copies(stages, copies), drop_last=False
    )
    seen = defaultdict(list)
    met: set[str] = set()
    for _ in range((copies + 1) * 2 if len(stages) == 1 else 4):
        for key, row in read(batches).items():
            found = {own for own, each in families[key].items() if alike(row, each, names)}
            assert found, key
            met |= found
            seen[key].append(row)
    assert not batches.uncopied
    if len(stages) > 1:
        # a copy by the one, by the other, and a copy of a copy
        assert {len(own.split("-")) for own in met} >= {3, 4}
        return
    for key, rows_of_key in seen.items():
        for start in (0, copies + 1):
            passes = rows_of_key[start : start + copies + 1]
            untouched = [alike(row, originals[key], names) for row in passes]
            # what is played a tenth faster, or has lost a word, is another; a little noise is close
            assert sum(untouched) == 1, (key, untouched)


def _copied(root: Path, sources: dict[str, Any], stages: list[Any], shard: dict[str, Any]) -> Path:
    """Shards with the copies of these stages, in a folder of their own."""
    value = recipe(root, sources, stages=stages, shard=shard, seed=SEED)
    run(make_plan(parse_recipe(value), root), root / "written" / "out", "serial")
    return root / "written" / "out" / "shards"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("augmented")
    return make(root, {"all": only(corpus(root), ("voice", "said"))})


VOICE = {"voice": SPECS["voice"], "said": SPECS["said"]}


def epochs(batches: stream.Stream, count: int) -> list[dict[str, list[Any]]]:
    return [read(batches) for _ in range(count)]


def equal(one: list[dict[str, list[Any]]], other: list[dict[str, list[Any]]]) -> bool:
    return all(
        mine.keys() == theirs.keys()
        and all(
            np.array_equal(a[0], b[0]) and a[1:] == b[1:]
            for a, b in zip(mine.values(), map(theirs.get, mine), strict=True)
        )
        for mine, theirs in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(
    "options",
    [{"workers": 0}, {"workers": 3, "batch_size": 1}, {"workers": 2, "backend": "processes"}],
)
def test_copies_do_not_depend_on_who_makes_them(shards: Path, options: dict[str, Any]) -> None:
    augment = [{"augment.noise": {"snr_db": [0, 3]}}, {"augment.text": {"dropout": 0.5}}]
    given = {"parts": VOICE, "seed": 3, "augment": augment, "drop_last": False}
    first = epochs(stream.open(shards, **given), 3)
    with stream.open(shards, **given, **options) as batches:
        assert equal(first, epochs(batches, 3))
    assert not equal(first, epochs(stream.open(shards, **{**given, "seed": 4}), 3))
    later = stream.open(shards, **given)
    later.set_epoch(2)
    assert equal(first[2:], [read(later)])


def test_each_repeated_pass_is_one_of_its_own(shards: Path) -> None:
    batches = stream.open(
        shards, parts=VOICE, repeat=2, augment=["augment.noise"], drop_last=False, batch_size=1
    )
    plain = read(stream.open(shards, parts=VOICE, shuffle=False, drop_last=False))
    for _ in range(3):
        untouched: dict[str, int] = defaultdict(int)
        for batch in batches:
            same = np.array_equal(batch.parts["voice"][0].numpy(), plain[batch.keys[0]][0])
            untouched[batch.keys[0]] += same
        # copies: 1, so that of two passes one is as it is stored
        assert untouched == dict.fromkeys(plain, 1)


def test_records_of_a_mixture_come_unchanged_as_often_as_a_stage_leaves_them(shards: Path) -> None:
    batches = stream.open(
        [shards, shards],
        parts=VOICE,
        weights=[3, 1],
        augment=[{"augment.noise": {"copies": 3}}],
        batch_size=8,
        drop_last=False,
    )
    plain = read(stream.open(shards, parts=VOICE, shuffle=False, drop_last=False))
    unchanged = total = 0
    for _ in range(300):
        for batch in batches:
            for row, key in enumerate(batch.keys):
                unchanged += np.array_equal(batch.parts["voice"][row].numpy(), plain[key][0])
                total += 1
    assert total == 2400
    assert unchanged / total == pytest.approx(1 / 4, abs=0.03)


def test_targets_move_with_a_mirrored_picture(tmp_path: Path) -> None:
    rows = ["id,where"]
    for number in range(6):
        write(tmp_path / f"{number}.jpg", jpeg(seed=number))
        rows.append(f"{number},on the {'left' if number % 2 else 'right'}")
    write(tmp_path / "t.csv", "\n".join(rows) + "\n")
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "targets": ["where"],
        "media": {"image": {"path": "{id}.jpg"}},
    }
    batches = stream.open(
        make(tmp_path, {"all": source}),
        parts={"image": SPECS["image"]},
        augment=["augment.flip"],
        drop_last=False,
    )
    plain = {}
    for batch in stream.open(tmp_path / "out", parts={"image": SPECS["image"]}, drop_last=False):
        for row, key in enumerate(batch.keys):
            plain[key] = batch.parts["image"][row].numpy().copy(), batch.targets()[row]["where"]
    mirrored = 0
    for _ in range(2):
        for batch in batches:
            for row, key in enumerate(batch.keys):
                pixels, where = plain[key]
                other = "on the left" if where == "on the right" else "on the right"
                found = batch.parts["image"][row].numpy(), batch.targets()[row]["where"]
                if np.array_equal(found[0], pixels):
                    assert found[1] == where
                else:
                    assert np.array_equal(found[0], pixels[:, ::-1])
                    assert found[1] == other
                    mirrored += 1
    assert mirrored == 6


def test_what_a_stage_leaves_alone_is_counted(tmp_path: Path) -> None:
    rows = ["id,said", "0,how many dogs are there", "1,a dog"]
    for number in range(2):
        write(tmp_path / f"{number}.jpg", jpeg(seed=number))
    write(tmp_path / "t.csv", "\n".join(rows) + "\n")
    source = {
        "type": "csv",
        "path": "t.csv",
        "id": "{id}",
        "text": {"said": "said"},
        "media": {"image": {"path": "{id}.jpg"}},
    }
    batches = stream.open(
        make(tmp_path, {"all": source}), augment=["augment.crop"], drop_last=False
    )
    for _ in range(4):
        list(batches)
    ((why, count),) = batches.uncopied.items()
    assert why.startswith("augment.crop: no copy: texts or targets tell of how many there are")
    assert count == 2  # of four passes, copies: 1 leaves it as it is in two anyway


@pytest.mark.parametrize(
    ("augment", "parts", "told"),
    [
        (["augment.nois"], None, "augment.0: no stage is called 'augment.nois'; did you mean"),
        (["clean.text"], None, "augment.0: wanted an augmenting stage, found clean.text"),
        (["augment.balance"], None, "augment.0: wanted an augmenting stage, found augment.balance"),
        ([{"augment.noise": {"snr": 3}}], None, "snr: unknown option; did you mean 'snr_db'"),
        ("augment.noise", None, "augment: wanted a list of augmenting stages"),
        ([3], None, "augment.0: wanted one address with its options, found 3"),
        (["augment.noise"], {"voice": stream.BytesSpec()}, "voice is read by BytesSpec"),
    ],
)
def test_what_cannot_be_meant_is_told(shards: Path, augment: Any, parts: Any, told: str) -> None:
    def two_epochs() -> None:
        batches = stream.open(shards, parts=parts, augment=augment, drop_last=False)
        for _ in range(2):
            list(batches)

    with pytest.raises(InputError) as error:
        two_epochs()
    assert told in str(error.value)


def test_a_part_of_a_feature_cache_cannot_be_changed(
    tmp_path: Path, run_recipe: Callable[..., Any]
) -> None:
    sources = {"all": only(corpus(tmp_path), ("voice", "said"))}
    value = recipe(tmp_path, sources, features={"voice": "features.audio"}, shard={})
    run_recipe(value, tmp_path / "o")
    spec = stream.FeatureSpec(folder=str(tmp_path / "o" / "features"), part="voice")
    batches = stream.open(tmp_path / "o", parts={"voice": spec}, augment=["augment.text"])
    assert batches.names == ("voice",)
    with pytest.raises(InputError, match="augment: voice is read by FeatureSpec"):
        stream.open(tmp_path / "o", parts={"voice": spec}, augment=["augment.noise"])


def test_a_film_is_cut_to_the_span_of_its_copy() -> None:
    data = mp4(frames=20, fps=10, sound=False)
    spec = stream.VideoSpec(frames=5, size=64)
    found, wanted = np.zeros((2, 5, 64, 64, 3), np.uint8)
    spec.fill(data, found, MIDDLE.of_copy(Part("video", start_s=0.5, end_s=1.5)))
    wanted[:] = video.sample(io.BytesIO(data), 5, 64, 0.5, 1.5)
    assert np.array_equal(found, wanted)
    # a clip of it lies within the span
    clip = stream.VideoSpec(frames=5, size=64, seconds=0.5, crop="random")
    clip.fill(data, found, MIDDLE.of_copy(Part("video", start_s=0.5, end_s=1.5)))
    wanted[:] = video.sample(io.BytesIO(data), 5, 64, 0.75, 1.25)
    assert np.array_equal(found, wanted)


def test_a_series_is_cut_to_the_span_of_its_copy() -> None:
    rows = np.arange(20, dtype=np.float32)[:, None]
    data = encode_npz(rows, 10.0, ("x",), Reading(), None)
    spec = stream.SeriesSpec(columns=["x"], rate_hz=10.0, seconds=2.0)
    out = np.zeros((20, 1), np.float32)
    assert spec.fill(data, out, MIDDLE.of_copy(Part("series", start_s=0.5, end_s=1.2))) == 7
    assert out[:7, 0].tolist() == [5, 6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("augment.noise", "augment.noise: changes nothing that records have: text .text."),
        ({"augment.text": {"parts": ["txt"]}}, "did you mean 'text'"),
        ({"augment.text": {"only_split": "trian"}}, "did you mean 'train'"),
        ({"augment.mix": {"path": "no/such/folder"}}, "path"),
    ],
)
def test_what_would_change_nothing_is_told_when_it_is_opened(
    stage: Any, told: str, tmp_path: Path
) -> None:
    write(tmp_path / "t.csv", "id,text\n1,one word\n2,two words\n3,three words\n")
    split = {"align.split": {"shares": {"train": 0.7, "val": 0.3}}}
    shards = make(tmp_path, {"t": csv_source("text")}, stages=[split])
    with pytest.raises(InputError, match=told):
        stream.open(shards, augment=[stage])
