"""Extractors that turn a part into a vector, and the Arrow cache that holds them by content."""
