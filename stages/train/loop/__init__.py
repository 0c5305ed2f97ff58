"""Training: prepare, preflight, epochs, validation, saving."""
