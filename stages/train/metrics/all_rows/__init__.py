"""Metrics of all rows' answers together, one file each; ``modalmill.stages.train.metrics.metric``
says what one is.
"""
