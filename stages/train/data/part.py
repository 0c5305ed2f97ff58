"""What an encoder has to know of its part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...modality import ModalityOptions
from ..options import InputOptions


@dataclass(frozen=True)
class InputPart:
    """kind: its modality. options: the recipe's. fitted: what the modality fitted on the training
    split. dims: length of a cached vector. is_sequence: whether it has cached vectors in order.
    """

    kind: str = ""
    options: InputOptions = field(default_factory=InputOptions)
    fitted: Mapping[str, object] = field(default_factory=dict)
    dims: int = 0
    dropout: float = 0.0
    is_sequence: bool = False

    @property
    def reads(self) -> str:
        """What its encoder has to read: its modality, ``feature`` or ``sequence``."""
        of_cache = "sequence" if self.is_sequence else "feature"
        return of_cache if self.options.feature else self.kind

    @property
    def own(self) -> ModalityOptions:
        """The options of its modality."""
        return self.options.own(self.kind)
