"""Reasoning data: chains of steps that a teacher helps with, every call and verdict in a ledger."""
