"""Runs: recipes carried out stage by stage, with plans, events and resume."""
