"""What the data is: records, manifests, recipes, accounts, indexes. No I/O of media, no engine, no
torch. This module imports nothing.
"""
