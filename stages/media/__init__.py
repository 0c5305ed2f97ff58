"""Reading, checking, changing and writing of single media: the ground that the other stages stand
on.
"""
