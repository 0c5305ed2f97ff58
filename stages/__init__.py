"""What is done to the data: ingest, align, clean, augment, features, shard, stream and train, over
the shared ground of media.

The folders do not import each other; ``train`` alone stands on ``stream``. All may use ``base`` and
``media``.
"""
