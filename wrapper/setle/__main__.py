"""``python -m setle`` is the command ``setle``."""

from .cli import main

main()
