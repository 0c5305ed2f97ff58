"""The Python way in: what ``import modalmill as mm`` offers, each in a file of its own."""

from .carry_out import run_recipe
from .vectors import Vectors, read_vectors_of

features = read_vectors_of  # mm.features reads as what it is
run = run_recipe

__all__ = ["Vectors", "features", "read_vectors_of", "run", "run_recipe"]
