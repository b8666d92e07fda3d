"""Synthesis of reasoning data: chains of steps that send requests to teachers, and a ledger of all calls."""
