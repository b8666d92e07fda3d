"""Attention kernels, registered through transformers' `AttentionInterface`."""
