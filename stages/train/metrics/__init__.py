"""How good answers are, as plain numbers: known without torch."""
