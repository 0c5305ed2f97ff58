"""modalmill: from raw multimodal corpora on disk to a trained fusion model, with nothing lost on
the way.

Five rooms: ``schemas`` (what the data is), ``stages`` (what is done to it), ``pipeline`` (how it is
run), ``demo`` (what to look at first) and ``cli`` (how a person asks). This module imports nothing,
so that ``import modalmill`` costs nothing.
"""

__version__ = "0.1.0"
