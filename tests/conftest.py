"""Hypothesis without deadlines: on a busy machine the time of one example says nothing."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
