"""Where records lie: tars, their indexes, files and urls, cached features."""
