"""What files say beside a picture is told, and taken away without a change of the picture."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured import measured
from modalmill.schemas.recipe import ShardOptions
from modalmill.schemas.record import Origin, Part, Record
from modalmill.stages.clean.metadata import Metadata
from modalmill.stages.media import image
from modalmill.stages.media.metadata import without_metadata
from modalmill.stages.modalities.image.render import render_image
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, TiffImagePlugin
from tiny import picture, write

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf'
    b'-syntax-ns#"><rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    b' exif:GPSLatitude="48,8.5N"/></rdf:RDF></x:xmpmeta>'
)
CAMERA = "Kamera Mueller 3000"
COMMENT = "seen by nobody"
MUNICH = {1: "N", 2: (48.0, 8.0, 30.0), 3: "E", 4: (11.0, 34.0, 0.0)}
KINDS = ("JPEG", "PNG", "WEBP")


def exif_of(place: bool = True, turned: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0110] = CAMERA
    if turned != 1:
        exif[0x0112] = turned
    if place:
        exif.get_ifd(0x8825).update(MUNICH)
    return exif


def saved(kind: str, seed: int = 0, **more: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(60, 90, seed)).save(buffer, kind, **more)
    return buffer.getvalue()


def laden(kind: str, turned: int = 1) -> bytes:
    """A picture with all that a file of its kind can say."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    more: dict[str, Any] = {"exif": exif_of(turned=turned), "icc_profile": profile, "xmp": XMP}
    if kind == "JPEG":
        more |= {"comment": COMMENT, "quality": 80, "progressive": True}
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", COMMENT)
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
        more = {**more, "pnginfo": texts}
        del more["xmp"]
    data = saved(kind, **more)
    # a second picture behind the first, as phones write them
    return data + saved(kind, 1, exif=exif_of()) if kind == "JPEG" else data


def tiff() -> bytes:
    """A TIFF with a place: its tags are EXIF."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x8825] = MUNICH
    return saved("TIFF", tiffinfo=tags)


@pytest.mark.parametrize("kind", KINDS)
def test_exif_and_places_are_told(kind: str, tmp_path: Path) -> None:
    def told(**more: Any) -> tuple[float, float]:
        found = measured(write(tmp_path / "a.img", saved(kind, **more)), "image", "metadata")
        return found.signals["exif"], found.signals["gps"]

    assert told() == (0, 0)
    assert told(exif=exif_of(place=False)) == (1, 0)
    assert told(exif=exif_of()) == (1, 1)
    if kind != "PNG":
        assert told(xmp=XMP) == (0, 1)
    assert measured(write(tmp_path / "a.tif", tiff()), "image", "metadata").signals["gps"] == 1


@pytest.mark.parametrize(("kind", "turned"), list(itertools.product(KINDS, (1, 6))))
def test_nothing_is_left_and_the_picture_is_the_same(
    kind: str, turned: int, tmp_path: Path
) -> None:
    data = laden(kind, turned)
    assert measured(write(tmp_path / "a", data), "image", "metadata").signals["gps"] == 1
    ending, bare = render_image(data, bare_part(), ShardOptions(image_short_side=None))
    assert ending == {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}[kind]
    assert measured(write(tmp_path / "a", bare), "image", "metadata").signals["gps"] == 0
    for said in (CAMERA, COMMENT, "GPS", "xmpmeta"):
        assert said.encode() not in bare
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(bare)) as after:
        assert dict(after.getexif()) == ({} if turned == 1 else {0x0112: turned})
        assert after.info["icc_profile"] == before.info["icc_profile"]
        shown = [np.asarray(ImageOps.exif_transpose(each)) for each in (before, after)]
        assert (shown[0] == shown[1]).all()
    if kind == "WEBP":  # the flags of its first chunk say what else there is
        assert (bare[12:16], bare[20] & 0x0C) == (b"VP8X", 0x08 if turned != 1 else 0)
    assert (image.decode(bare) == image.decode(data)).all()
    # nothing more is to be taken from it
    assert without_metadata(bare) == bare


def bare_part() -> Part:
    record = Record("k", "k", Origin("s", "f"), {"image": Part("image", uri="a.jpg")})
    row = Metadata().process(record, 0, "clean.metadata")[0]
    assert row.note
    return row.record.parts["image"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_says_nothing_stays_as_it_is(kind: str) -> None:
    data = saved(kind)
    assert without_metadata(data) == data


def test_others_are_encoded_anew_and_say_nothing(tmp_path: Path) -> None:
    data = tiff()
    assert without_metadata(data) is None
    ending, bare = render_image(data, bare_part(), ShardOptions(image_short_side=None))
    assert ending == "jpg"
    found = measured(write(tmp_path / "a.jpg", bare), "image", "metadata").signals
    assert (found["exif"], found["gps"]) == (0, 0)


@pytest.mark.parametrize("damage", ["cut", "changed"])
@given(place=st.integers(3, 10_000), kind=st.sampled_from(KINDS))
def test_damaged_files_give_nothing_or_a_picture_of_the_same_size(
    damage: str, place: int, kind: str
) -> None:
    data = LADEN[kind]
    place %= len(data)
    broken = data[:place] if damage == "cut" else data[:place] + b"\xff" + data[place + 1 :]
    try:
        size = image.size(broken)
    except Exception:
        return
    bare = without_metadata(broken)
    assert bare is None or image.size(bare) == size


LADEN = {kind: laden(kind) for kind in KINDS}


def test_shards_hold_no_place(tmp_path: Path, run_recipe: Callable[..., Any]) -> None:
    for number in range(6):
        data = saved("JPEG", number, exif=exif_of())
        write(tmp_path / "photos" / f"{number}.jpg", data)

    def recipe(*stages: Any) -> dict[str, Any]:
        return {
            "name": "a",
            "data": str(tmp_path / "photos"),
            "tolerance": 1,
            "sources": {"photos": {"type": "image_folder", "path": "", "part": "photo"}},
            "stages": [*stages, {"align.split": {"shares": {"train": 1.0}}}],
        }

    for stages, there in (((), True), (("clean.metadata",), False)):
        out = tmp_path / f"out{len(stages)}"
        run_recipe(recipe(*stages), out)
        tars = b"".join(path.read_bytes() for path in sorted(out.glob("shards/**/*.tar")))
        assert (CAMERA.encode() in tars) == there
    write(tmp_path / "photos" / "6.jpg", saved("JPEG", 6))
    run_recipe(recipe({"clean.rules": {"photo.gps": "< 1"}}), tmp_path / "ruled")
    rejects = pq.read_table(tmp_path / "ruled" / "rejects.parquet")
    assert rejects["rule"].to_pylist() == ["photo.gps < 1"] * 6
