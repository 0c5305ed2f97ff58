"""What a model knows, with every subset of its parts."""
