"""Entry point of `python -m seethink`, for launchers that start modules."""

from seethink.cli.app import main

main()
