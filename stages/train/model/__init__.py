"""The model: encoders, what stands for an absent part, fusion, losses, objectives; and how it is
kept.
"""
