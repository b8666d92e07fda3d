"""Settings of TRL, transformers, verl and ms-swift that have another name here, or none. No torch.

`docs/names.md` compares all names; a test holds that what it lists is here."""

from __future__ import annotations

from collections.abc import Mapping

_SAMPLED = "sampling of completions is shaped by temperature, top_p and top_k alone"

_EVERY_METHOD = {
    **dict.fromkeys(("lr", "learn_rate", "step_size"), "learning_rate"),
    **dict.fromkeys(("scheduler", "lr_scheduler", "schedule", "lr_decay_style"), "lr_scheduler_type"),
    **dict.fromkeys(
        ("warmup", "warmup_fraction", "lr_warmup_ratio", "lr_warmup_steps_ratio"), "warmup_ratio"
    ),
    "wd": "weight_decay",
    **dict.fromkeys(("clip_grad", "grad_clip", "max_norm", "gradient_clipping"), "max_grad_norm"),
    **dict.fromkeys(("beta2", "adam_betas", "betas"), "adam_beta2"),
    **dict.fromkeys(("rank", "r"), "lora_rank"),
    "alpha": "lora_alpha",
    **dict.fromkeys(
        ("steps", "num_steps", "total_steps", "total_training_steps", "iters", "max_iters"), "max_steps"
    ),
    **dict.fromkeys(("save_freq", "save_interval"), "save_steps"),
    "test_freq": "eval_steps",
    **dict.fromkeys(("grad_checkpointing", "gc", "enable_gradient_checkpointing"), "gradient_checkpointing"),
    **dict.fromkeys(("use_dynamic_bsz", "ppo_max_token_len_per_gpu"), "max_tokens_per_batch"),
    **dict.fromkeys(("load_in_8bit", "load_4bit"), "load_in_4bit"),
    "random_seed": "seed",
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
        ("per_device_train_batch_size", "gradient_accumulation_steps", "grad_accum", "micro_batch_size"),
        "train_batch_size, of one optimiser step over all processes, with max_tokens_per_batch",
    ),
    **dict.fromkeys(("train_sampling_strategy", "train_dataloader_shuffle"), "shuffle"),
    **dict.fromkeys(("completion_only_loss", "assistant_only_loss"), "the replies alone are learned"),
    **dict.fromkeys(("batch_size", "bs", "global_batch_size"), "train_batch_size"),
    **dict.fromkeys(("epochs", "num_epochs", "n_epochs", "total_epochs"), "num_train_epochs"),
    "packing": "examples about one picture share it, and rows are packed always",
    "loss_weights": "rpo_alpha, of DPO",
    "precompute_ref_log_probs": "what the reference says is always computed before the first step",
}
"""Name elsewhere -> name here, or what to do, for SFT and DPO."""

ROLLOUTS: Mapping[str, str] = {
    **_EVERY_METHOD,
    **dict.fromkeys(
        (
            *("per_device_train_batch_size", "gradient_accumulation_steps", "generation_batch_size"),
            *("batch_size", "bs", "train_batch_size", "rollout_batch_size", "grad_accum", "micro_batch_size"),
        ),
        "prompts_per_step, each with num_generations completions, with max_tokens_per_batch",
    ),
    **dict.fromkeys(("num_train_epochs", "epochs", "num_epochs", "total_epochs"), "max_steps"),
    **dict.fromkeys(
        ("max_new_tokens", "max_tokens", "max_response_length", "response_length"), "max_completion_length"
    ),
    **dict.fromkeys(
        ("group_size", "n", "num_return_sequences", "n_samples_per_prompt", "num_rollouts"), "num_generations"
    ),
    "temp": "temperature",
    **dict.fromkeys(("kl_coef", "kl_beta", "kl_loss_coef", "init_kl_coef", "use_kl_loss"), "beta"),
    **dict.fromkeys(("kl_loss_type", "kl_penalty"), "kl_estimator"),
    **dict.fromkeys(
        ("eps", "clip_range", "cliprange", "clip_eps", "clip_ratio", "clip_ratio_low"), "epsilon"
    ),
    "clip_ratio_high": "epsilon_high",
    "loss_agg_mode": "loss_type",
    "loss_mode": "importance_sampling_level, or loss_type",
    "adv_estimator": "advantage_estimator",
    "norm_adv_by_std_in_grpo": "scale_rewards",
    **dict.fromkeys(("shuffle_dataset", "dataset_shuffle"), "shuffle"),
    **dict.fromkeys(
        ("max_resample_times", "dynamic_sample", "max_num_gen_batches"), "dynamic_sampling_retries"
    ),
    **dict.fromkeys(
        ("use_vllm", "vllm_mode", "vllm_server_base_url", "vllm_server_host", "vllm_server_port"),
        "rollout_backend",
    ),
    "gpu_memory_utilization": "vllm_gpu_memory_utilization",
    **dict.fromkeys(
        (
            "vllm_importance_sampling_clip_max",
            "vllm_importance_sampling_cap",
            "rollout_importance_sampling_threshold",
            "rollout_is_threshold",
        ),
        "importance_sampling_cap",
    ),
    "vllm_importance_sampling_correction": "importance_sampling_cap, at which 0 turns the correction off",
    **dict.fromkeys(
        (
            "vllm_importance_sampling_mode",
            "rollout_importance_sampling_mode",
            "rollout_is",
            "rollout_rs",
        ),
        "importance_sampling_mode",
    ),
    **dict.fromkeys(("steps_per_generation", "ppo_mini_batch_size", "ppo_epochs"), "num_iterations"),
    **dict.fromkeys(("soft_cache_length", "overlong_filter"), "overlong_buffer_len"),
    "mask_truncated_completions": "overlong_buffer_len",
    "chord_mu_peak": "sft_loss_coef",
    **dict.fromkeys(("min_p", "repetition_penalty"), _SAMPLED),
    **dict.fromkeys(("reward_funcs", "reward_weights"), "give --verifier and --reward-weights"),
    **dict.fromkeys(("entropy_coef", "top_entropy_quantile"), "the entropy is logged, not optimised"),
    **dict.fromkeys(
        ("sync_ref_model", "ref_model_sync_steps", "ref_model_mixup_alpha"),
        "the reference is the model that training started from",
    ),
    **dict.fromkeys(("delta", "clip_ratio_c"), "the ratio is clipped by epsilon and epsilon_high alone"),
    "log_completions": "every completion is written to attempts.jsonl",
}
"""The same for GRPO."""
