"""What a recipe can choose by a word, each with a card: known without torch."""

from .card import Card

__all__ = ["Card"]
