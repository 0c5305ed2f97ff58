"""What goes in: the inputs of a model, which of them are there, and which of these it may see."""
