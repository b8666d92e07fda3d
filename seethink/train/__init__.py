"""Training: one trainer and its methods (SFT, DPO, GRPO)."""
