"""The Python way in: what ``import modalmill as mm`` offers, each in a file of its own."""

from ..carry_out import run_recipe
from .fitting import fit_table
from .model import Model
from .vectors import Sequences, Vectors, read_vectors_of

features = read_vectors_of  # mm.features reads as what it is
fit = fit_table
run = run_recipe

__all__ = [
    "Model",
    "Sequences",
    "Vectors",
    "features",
    "fit",
    "fit_table",
    "read_vectors_of",
    "run",
    "run_recipe",
]
