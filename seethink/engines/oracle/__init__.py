"""Oracle: an AsyncEngine that knows the true answers of drawn worlds and makes errors at given rates."""

from seethink.engines.oracle.engine import Oracle, Rates
from seethink.engines.oracle.wording import LEAKS

__all__ = ["LEAKS", "Oracle", "Rates"]
