"""COCO captions: one json of images and their captions, and a folder of images.

The file is read as a stream, once for its images and once for its captions; what stays in memory is
a line for each image. Formats: https://cocodataset.org/#format-data (caption annotations), and the
splits of Karpathy and Fei-Fei 2015, which have the sentences inside of the images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...schemas.contents import Contents
from ...schemas.errors import DamageError, InputError
from ...schemas.manifest import Row
from ...schemas.record import Absence, Fault, Origin, Part, Record, make_key
from .. import template
from ..base import Beat, Merged, Noted, Read, Source
from ..media.files import bytes_of
from ..modality import suffixes
from ._coco import image_number
from ._files import Listing, Loose, join
from ._json import listed_objects
from ._values import check_templates, given_splits, split_name


@dataclass(frozen=True, kw_only=True)
class CocoCaptions(Source):
    """Captions joined with the images of the same file on ``image_id``, and these with the files of
    a folder by name, all three accounted for.

    captions: the json, below ``base``: ``captions_train2017.json`` and its like, or a split of
    Karpathy (``dataset_coco.json``).
    images: folder of the images; their ``file_name`` lies below it. Where it does not, the file of
    the same COCO number is taken, and told: images of 2014 and 2017 differ in their names alone.
    base: a folder below the data root that all paths of this source begin with.
    split: a name for the split of all records, or a template over the fields of an image
    (``"{split}"`` of Karpathy's). Left out, a stage decides.
    group_kind: a word for what image ids name (coco_image): the same image in several sources of
    this kind is one group. The source's own name where it is not given.

    Each caption becomes a record with the parts ``caption`` and ``image``, and the image as its
    group. An image without a caption becomes a record of its own, and so does a file that no image
    of the json names.
    """

    captions: str
    images: str
    base: str = ""
    split: str | None = None
    group_kind: str | None = None

    def __post_init__(self) -> None:
        check_templates({"split": self.split}, template.problems)
        if not self._has_split_of_images():
            split_name(self.split)

    def paths(self) -> list[str]:
        return [join(self.base, self.captions), join(self.base, self.images)]

    def contents(self) -> Contents:
        parts = {"image": "image", "caption": "text"}
        return Contents(parts, {}, **given_splits(self.split))

    def read(self, root: Path, name: str, tally: Counter[str], beat: Beat) -> Iterator[Read]:
        listing = Listing(root, join(self.base, self.images), suffixes(["image"]))
        files = yield from _usable(root, name, tally, beat, listing)
        yield from listing.rejects(name, tally)
        found = yield from self._images(root, name, tally, _Files(root, files))
        yield from self._captions(root, name, tally, found)
        yield from self._without_caption(name, found.by_id)
        yield from self._unnamed(name, files, found.by_id)

    def _has_split_of_images(self) -> bool:
        return "{" in (self.split or "")

    def _group(self, name: str, image_id: str | int) -> str:
        return make_key(self.group_kind or name, image_id)

    def _images(
        self, root: Path, name: str, tally: Counter[str], files: _Files
    ) -> Generator[Read, None, _Found]:
        """The images of the json by id, as the generator's result; what cannot be used is
        yielded.
        """
        file = join(self.base, self.captions)
        found = _Found({})
        by_uri: dict[str, _Image] = {}
        for position, value in enumerate(listed_objects(root / file, "images"), 1):
            tally["image entries"] += 1
            key = make_key(name, f"image-row-{position}")
            record = Record(key, key, Origin(name, file, position))
            try:
                entry = _in_words_of_coco(value)
                found.has_sentences |= "sentences" in entry
                image_id, file_name = _identity(entry["id"]), template.fill("{file_name}", entry)
                split = split_name(template.fill(self.split, entry)) if self.split else None
                if file_name is None:
                    raise KeyError("file_name")
            except (KeyError, TypeError, ValueError) as error:
                message = f"the image is not whole: {error!r}"
                yield Row(record, Fault("broken_row", str(value)[:60], "id, file_name", message))
                continue
            if image_id in found.by_id:
                message = "an earlier image has this id"
                yield Row(record, Fault("duplicate_id", image_id, "unique", message))
                continue
            uri, note = files.find(join(join(self.base, self.images), file_name))
            if note:
                yield Noted(note)
            if uri is not None and uri in by_uri:
                found.by_id[image_id] = by_uri[uri]
                yield Merged("image entries")
                yield Noted(
                    "images that name the file of an earlier one, and are taken as that one"
                )
                continue
            image = _Image(image_id, position, file_name, split, uri, files.bytes_of(uri))
            found.by_id[image_id] = image
            if uri is not None:
                by_uri[uri] = image
                yield Merged("images")
        if self._has_split_of_images() and not any(one.split for one in found.by_id.values()):
            raise InputError(
                f"{root / file}: wanted the split of each image by {self.split!r}, and no image has"
                " it; give all of them one name, or leave 'split' out"
            )
        return found

    def _captions(
        self, root: Path, name: str, tally: Counter[str], found: _Found
    ) -> Iterator[Read]:
        file = join(self.base, self.captions)
        seen: set[int] = set()
        for position, value in enumerate(_annotations(root / file, found.has_sentences), 1):
            tally["captions"] += 1
            key = make_key(name, f"caption-row-{position}")
            record = Record(key, key, Origin(name, file, position))
            try:
                number, image_id = int(_identity(value["id"])), _identity(value["image_id"])
                text = _sentence(value["caption"])
            except (KeyError, TypeError, ValueError) as error:
                message = f"the caption is not whole: {error!r}"
                wanted = "id, image_id, caption"
                yield Row(record, Fault("broken_row", str(value)[:60], wanted, message))
                continue
            if number in seen:
                message = "an earlier caption has this id"
                yield Row(record, Fault("duplicate_id", number, "unique", message))
                continue
            seen.add(number)
            image = found.by_id.get(image_id)
            if image is not None and not image.taken:
                image.taken = True
                yield Merged("image entries")
            record = replace(
                record, key=make_key(name, number), origin=replace(record.origin, id=str(number))
            )
            yield self._row(name, record, image_id, image, text)
        if not seen:
            raise InputError(
                f"{root / file}: none of its annotations has 'id', 'image_id' and 'caption'; check"
                " that it is the file of captions, like captions_train2017.json"
            )

    def _row(
        self, name: str, record: Record, image_id: str, image: _Image | None, text: str | None
    ) -> Row:
        """The row of one image, or of an id that no image has, with a caption or without one."""
        parts: dict[str, Part] = {}
        absent: dict[str, Absence] = {}
        unmatched = []
        if text is None:
            absent["caption"] = "absent"
            unmatched.append(
                Fault.unmatched("caption", image_id, f"image {image_id} has no caption here")
            )
        else:
            parts["caption"] = Part("text", text=text)
        if image is not None and image.uri is not None:
            parts["image"] = Part("image", uri=image.uri, bytes=image.bytes)
        else:
            absent["image"] = "missing"
            unmatched.append(
                Fault.unmatched("image_entry", image_id, f"no image of the json is {image_id}")
                if image is None
                else Fault.unmatched(
                    "image_file", image.file_name, f"no image of the folder is {image.file_name}"
                )
            )
        return Row(
            replace(
                record,
                group=self._group(name, image_id if image is None else image.id),
                parts=parts,
                split=self._split(image),
                absent=absent,
            ),
            unmatched=unmatched,
        )

    def _split(self, image: _Image | None) -> str | None:
        if image is not None:
            return image.split
        return None if self._has_split_of_images() else split_name(self.split)

    def _without_caption(self, name: str, images: Mapping[str, _Image]) -> Iterator[Row]:
        file = join(self.base, self.captions)
        for image_id, image in images.items():
            # one that is taken as another stands here under both ids
            if not image.taken and image.id == image_id:
                key = make_key(name, "image", image_id)
                record = Record(key, key, Origin(name, file, image.row, image_id))
                yield self._row(name, record, image_id, image, None)

    def _unnamed(
        self, name: str, files: Mapping[str, int], images: Mapping[str, _Image]
    ) -> Iterator[Row]:
        """Records of the files that no image of the json names."""
        named = {image.uri for image in images.values()}
        for uri, size in files.items():
            if uri in named:
                continue
            key, number = make_key(name, "file", uri), image_number(uri)
            record = Record(
                key,
                # the same image may be in another source
                key if number is None else self._group(name, number),
                Origin(name, uri, None, uri),
                {"image": Part("image", uri=uri, bytes=size)},
                split=self._split(None),
                absent={"caption": "absent"},
            )
            message = "no image of the json names this file"
            yield Row(record, unmatched=[Fault.unmatched("image_entry", uri, message)])


@dataclass(slots=True)
class _Image:
    """An image of the json. uri, bytes: its file, None where it is not there. taken: whether a
    caption is of it.
    """

    id: str
    row: int
    file_name: str
    split: str | None
    uri: str | None
    bytes: int | None
    taken: bool = False


@dataclass(slots=True)
class _Found:
    """The images of the json by id. has_sentences: they have their captions inside."""

    by_id: dict[str, _Image]
    has_sentences: bool = False


class _Files:
    """The files of the folder, by the names that the json gives them."""

    def __init__(self, root: Path, sizes: Mapping[str, int]) -> None:
        self._sizes = sizes
        self._loose = Loose(root)
        self._numbers: dict[int | None, str] = {}
        for uri in sizes:
            self._numbers.setdefault(image_number(uri), uri)

    def bytes_of(self, uri: str | None) -> int | None:
        """The size of one of them."""
        return None if uri is None else self._sizes[uri]

    def find(self, uri: str) -> tuple[str | None, str]:
        """The file that is meant, None where there is none, and what there is to tell of it."""
        if uri in self._sizes:
            return uri, ""
        other = self._loose.find(uri)
        if other in self._sizes:
            return other, (
                "taken, though the json writes the name in another form (capitals, \\ for /, or"
                " accents)"
            )
        number = image_number(uri)
        other = None if number is None else self._numbers.get(number)
        return other, (
            "taken by their COCO number, though the json gives another name" if other else ""
        )


def _usable(
    root: Path, name: str, tally: Counter[str], beat: Beat, listing: Listing
) -> Generator[Row, None, dict[str, int]]:
    """The files of the folder and their sizes, as the generator's result; those that cannot be used
    are yielded.
    """
    sizes: dict[str, int] = {}
    for uri in listing:
        tally["images"] += 1
        try:
            beat(uri)
            sizes[uri] = bytes_of(root, uri)
        except DamageError as error:
            key = make_key(name, uri)
            yield Row(Record(key, key, Origin(name, uri)), Fault(error.rule, message=error.message))
    return sizes


def _in_words_of_coco(value: object) -> Mapping[str, object]:
    """An image with its ``id`` and ``file_name``; Karpathy's have other words for both."""
    if not isinstance(value, Mapping):
        raise TypeError(f"an image is a {type(value).__name__}, wanted an object")
    if "sentences" not in value:
        return value
    file_name = template.fill("{filepath}/{filename}", value) or value["filename"]
    return {**value, "id": _id_of_karpathy(value), "file_name": file_name}


def _id_of_karpathy(image: Mapping[str, object]) -> object:
    """Images of Flickr have none of COCO."""
    return image.get("cocoid", image.get("imgid"))


def _annotations(path: Path, has_sentences: bool) -> Iterator[Mapping[str, object]]:
    """The captions in the words of COCO, one after the other."""
    if not has_sentences:
        yield from listed_objects(path, "annotations")
        return
    for value in listed_objects(path, "images"):
        sentences = value.get("sentences") if isinstance(value, Mapping) else None
        for sentence in sentences if isinstance(sentences, list) else ():
            yield (
                {
                    "id": sentence.get("sentid"),
                    "image_id": _id_of_karpathy(value),
                    "caption": sentence.get("raw"),
                }
                if isinstance(sentence, Mapping)
                else sentence
            )


def _identity(value: object) -> str:
    """An id as it is compared: 25, 25.0, "25" and "000025" are one."""
    if template.is_absent(value) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is no id")
    text = template.plain(value).strip()
    return str(int(text)) if text.isdecimal() else text


def _sentence(value: object) -> str | None:
    """A caption, None for one that holds nothing."""
    if isinstance(value, list | dict):
        raise TypeError(f"a caption is a {type(value).__name__}, wanted a text")
    return None if template.is_absent(value) else template.plain(value)
