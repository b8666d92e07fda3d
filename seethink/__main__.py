"""`python -m seethink`, for launchers that start modules."""

from seethink.cli import main

main()
