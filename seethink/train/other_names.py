"""Settings of TRL, transformers and ms-swift that have another name here, or none. No torch.

`docs/names.md` compares all names; a test holds that what it lists is here."""

from __future__ import annotations

from collections.abc import Mapping

_SAMPLED = "completions are sampled from the whole distribution, as policy gradients assume"

_EVERY_METHOD = {
    "lr": "learning_rate",
    **dict.fromkeys(("vit_lr", "freeze_vit", "freeze_vision_tower"), "vision_learning_rate"),
    **dict.fromkeys(("aligner_lr", "freeze_aligner"), "projector_learning_rate"),
    "freeze_llm": "language_learning_rate",
    **dict.fromkeys(("lora_r", "use_peft", "use_lora", "tuner_type"), "lora_rank"),
    **dict.fromkeys(("quant_method", "quant_bits"), "load_in_4bit"),
    "warmup_steps": "warmup_ratio",
    "max_length": "max_prompt_length",
    "truncation_strategy": "filter_overlong_prompts",
    "fp16": "bf16",
    "logging_steps": "every step is logged",
    "model_name_or_path": "give --model",
    "dataset_name": "give --data",
    "output_dir": "give --out",
}

EPOCHS: Mapping[str, str] = {
    **_EVERY_METHOD,
    **dict.fromkeys(
        ("per_device_train_batch_size", "gradient_accumulation_steps"),
        "train_batch_size, of one optimiser step over all processes, with max_tokens_per_batch",
    ),
    **dict.fromkeys(("train_sampling_strategy", "train_dataloader_shuffle"), "shuffle"),
    **dict.fromkeys(("completion_only_loss", "assistant_only_loss"), "the replies alone are learned"),
    "packing": "examples about one picture share it, and rows are packed always",
    "loss_weights": "rpo_alpha, of DPO",
}
"""Name elsewhere -> name here, or what to do, for SFT and DPO."""

ROLLOUTS: Mapping[str, str] = {
    **_EVERY_METHOD,
    **dict.fromkeys(
        ("per_device_train_batch_size", "gradient_accumulation_steps", "generation_batch_size"),
        "prompts_per_step, each with num_generations completions, with max_tokens_per_batch",
    ),
    "num_train_epochs": "max_steps",
    "max_new_tokens": "max_completion_length",
    **dict.fromkeys(("shuffle_dataset", "dataset_shuffle"), "shuffle"),
    **dict.fromkeys(("max_resample_times", "dynamic_sample"), "dynamic_sampling_retries"),
    **dict.fromkeys(("use_vllm", "vllm_mode", "vllm_server_base_url"), "rollout_backend"),
    **dict.fromkeys(
        (
            "vllm_importance_sampling_clip_max",
            "vllm_importance_sampling_cap",
            "rollout_importance_sampling_threshold",
        ),
        "importance_sampling_cap",
    ),
    **dict.fromkeys(("steps_per_generation", "ppo_mini_batch_size"), "num_iterations"),
    **dict.fromkeys(("soft_cache_length", "overlong_filter"), "overlong_buffer_len"),
    "mask_truncated_completions": "overlong_buffer_len",
    "chord_mu_peak": "sft_loss_coef",
    **dict.fromkeys(("top_p", "top_k", "min_p", "repetition_penalty"), _SAMPLED),
    **dict.fromkeys(("reward_funcs", "reward_weights"), "give --verifier and --reward-weights"),
    **dict.fromkeys(("entropy_coef", "top_entropy_quantile"), "the entropy is logged, not optimised"),
    "sync_ref_model": "the reference is the model that training started from",
    "delta": "the ratio is clipped by epsilon and epsilon_high alone",
}
"""The same for GRPO."""
