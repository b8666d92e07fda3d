"""The error of numbers that are none: training and sampling stop before such numbers are used."""

from __future__ import annotations


class NotFinite(RuntimeError):
    """A logit, loss or gradient is NaN or infinite; the message names the examples."""
