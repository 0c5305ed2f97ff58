"""Which split the folders of a file say: ``training_set/cats/1.jpg`` is of ``train``."""

from __future__ import annotations

import posixpath

from .columns import split_word

USUAL = frozenset(("train", "val", "test"))


def folder_split(file: str) -> str:
    """The split that the nearest folder of a file says of it; empty where none does.

    >>> folder_split("Testing/cats/1.jpg"), folder_split("cats/train.jpg")
    ('test', '')
    """
    folders = posixpath.dirname(file).split("/")
    return next((word for name in reversed(folders) if (word := split_word(name))), "")


def split_pattern(folder: str) -> str:
    """A folder with ``*`` for each name in it that says a split: the same for those of one set.

    >>> split_pattern("train/images"), split_pattern("test/images")
    ('*/images', '*/images')
    """
    return "/".join("*" if split_word(name) else name for name in folder.split("/"))
