"""After training: prediction, explanation, export."""
