"""Labels: which of them are likely wrong, what names of files say of them, how they are spelled."""
