"""Steps of chains, one file for each or for a family; the table is in docs/synthesis.md."""
