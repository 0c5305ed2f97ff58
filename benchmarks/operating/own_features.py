"""What extractors cost that need no learned weights: the vector of a medium that is decoded as they
ask for it.
"""

from __future__ import annotations

from _rates import Inputs, Told
from modalmill.schemas.record import Part
from modalmill.stages.base import Extractor, addresses, make
from modalmill.stages.modality import on_disk

MEDIA = {"image": "pictures", "audio": "sounds", "video": "films"}


def measure_features(inputs: Inputs, told: Told) -> None:
    for address in addresses(Extractor):
        extractor, mistakes = make(address, Extractor, {}, address)
        if extractor is None:
            told.left[address] = "; ".join(mistakes)
        elif extractor.modality == "text":
            for kind, texts in inputs.texts.items():
                told.measure(f"{kind}|{address}", "", extractor.extract, texts)
        else:
            kind = extractor.modality
            decoded = [
                on_disk(kind).decoded(path.parent, Part(kind, uri=path.name), extractor)
                for path in sorted(inputs.folder.glob(f"{MEDIA[kind]}/*"))
            ]
            amount = {
                "image": 1.0,
                "audio": inputs.seconds,
                "video": float(getattr(extractor, "frames", 1)),
            }[kind]
            told.measure(f"{MEDIA[kind]}|{address}", "", extractor.extract, decoded, amount)
