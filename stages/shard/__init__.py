"""Writing records into WebDataset tars with an index: which sample goes where is decided before any
medium is read.
"""
