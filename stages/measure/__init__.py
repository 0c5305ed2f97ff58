"""Looking at media before anything is decided: each is decoded once to its end, and what was found
is kept by file, so that a changed threshold costs no decoding, and a new file costs its own.
"""
