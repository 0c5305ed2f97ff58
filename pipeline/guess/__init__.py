"""What a corpus holds, guessed from what lies on disk; every guess has its reason in words."""
