"""One thread for everything, so that a process and its children round alike, and Hypothesis without
deadlines: on a busy machine the time of one example says nothing."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported; children inherit it

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
