"""What is measured of a picture, a file for each signal."""
