"""Bringing together what belongs together: across sources, in time, and into splits."""
