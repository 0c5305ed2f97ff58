"""Fusion training: encoders, fusions and objectives over batches in which any modality may be
missing.
"""
