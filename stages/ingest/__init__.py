"""Reading corpora as they lie on disk; each module is one source type. Modules with an underscore
are shared by them.
"""
