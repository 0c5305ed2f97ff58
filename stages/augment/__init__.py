"""Offline copies of records, changed by steps with a recorded seed, the modalities of one record
kept consistent.
"""
