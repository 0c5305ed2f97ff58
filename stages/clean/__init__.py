"""Measuring and deciding: signals of each part, rules that read them, and decisions over the whole
corpus.
"""
