"""What the data is: records, manifests, recipes, accounts, indexes. No I/O of media, no engine, no torch."""

from .account import Account, Count
from .errors import (
    DamageError,
    InputError,
    IntegrityError,
    MissingPackageError,
    ModalmillError,
    RecipeError,
    StorageError,
    ToleranceError,
)
from .recipe import Recipe, load_recipe
from .record import MODALITIES, Cue, Fault, Modality, Origin, Part, Record, Step, make_key

__all__ = [
    "MODALITIES",
    "Account",
    "Count",
    "Cue",
    "DamageError",
    "Fault",
    "InputError",
    "IntegrityError",
    "MissingPackageError",
    "Modality",
    "ModalmillError",
    "Origin",
    "Part",
    "Recipe",
    "RecipeError",
    "Record",
    "Step",
    "StorageError",
    "ToleranceError",
    "load_recipe",
    "make_key",
]
