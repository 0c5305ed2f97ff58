"""Which record comes when: pure functions of seed and epoch."""
