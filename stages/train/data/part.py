"""What an encoder has to know of its part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...modality import ModalityOptions
from ..options import InputOptions


@dataclass(frozen=True)
class InputPart:
    """kind: its modality. options: the recipe's. fitted: what the modality fitted on the training
    split. dims: length of a cached vector.
    """

    kind: str = ""
    options: InputOptions = field(default_factory=InputOptions)
    fitted: Mapping[str, object] = field(default_factory=dict)
    dims: int = 0
    dropout: float = 0.0

    @property
    def own(self) -> ModalityOptions:
        """The options of its modality."""
        return self.options.own(self.kind)
