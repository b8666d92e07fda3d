"""Evaluation: rows of attempts on disk, statistics over them, and the loop that writes them."""
