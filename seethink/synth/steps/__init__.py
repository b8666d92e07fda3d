"""Steps of chains, a file each or a family; docs/synthesis.md has the table."""
