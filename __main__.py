"""``python -m modalmill`` is the ``modalmill`` command."""

from .cli import main

if __name__ == "__main__":
    main()
