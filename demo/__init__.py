"""What there is to see first: a raw corpus with planted dirt, its recipe, and the way of both to a
trained model.
"""
