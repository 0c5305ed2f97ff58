"""What is measured of a sound, a file for each signal; of the part's span but for those that are of
the file.
"""
