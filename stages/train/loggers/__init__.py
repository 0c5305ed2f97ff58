"""Where the numbers of a training go, one file each; ``logger.py`` says what each is asked for."""
