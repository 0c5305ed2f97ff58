"""What is measured of a text, a file for each signal."""
