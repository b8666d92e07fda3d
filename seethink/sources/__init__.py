"""Data sets: handwritten pages, drawn worlds, users' files and published data."""
