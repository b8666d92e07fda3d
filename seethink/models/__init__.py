"""Vision-language models: families, inputs, loading, attention and log-probabilities."""
