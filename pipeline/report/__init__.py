"""``modalmill report``: all that lies in an output folder on one page that needs nothing else."""
