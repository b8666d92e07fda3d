"""Any solver behind OpenAI's API: requests, scheduling, safety, metrics (docs/serving.md)."""
