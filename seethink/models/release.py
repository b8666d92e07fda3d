"""Memory of models that nobody uses any more. Loads no torch where none is loaded."""

from __future__ import annotations

import gc
import sys


def release_memory() -> None:
    """Drop what only cycles of references hold, such as a model and the engine on it, and give back the
    accelerator's memory that PyTorch keeps for itself: vLLM in the same process counts what is free."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
