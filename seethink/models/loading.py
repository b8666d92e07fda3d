"""Models and encoders, loaded by name: the bundled `sprout`, a folder, or a hub id."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import disable_fsdp_ram_efficient_loading
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, BitsAndBytesConfig
from transformers.integrations.deepspeed import unset_hf_deepspeed_config
from transformers.utils.logging import disable_progress_bar

from seethink import hub
from seethink.models.attention import segments
from seethink.models.encoder import Encoder
from seethink.models.families import family_of
from seethink.models.lora import merge_folder
from seethink.models.names import adapter_base, resolve, whole
from seethink.models.parts import Parts
from seethink.models.policy import PolicyModel
from seethink.types import InputError

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # peft imports it, and it logs about CPU kernels


def pretrained(name: str, quantization_config: Any = None) -> tuple[Any, Any]:
    """(model, processor) by alias, folder or hub id, in fp32, since small updates would be lost in bf16
    weights. A folder with an adapter is its base with the adapter merged. quantization_config: of
    transformers, for frozen weights.

    Every process loads the whole model, also under a launcher of sharded trainings: engines and references
    compute alone, and the trainer shards its model itself."""
    disable_fsdp_ram_efficient_loading()
    unset_hf_deepspeed_config()
    disable_progress_bar()
    path, base = resolve(name), reachable(name)
    adapters = _adapters(path)
    if adapters and quantization_config is not None:
        raise InputError(f"{name} is an adapter, which 4-bit weights cannot take up; leave load_in_4bit out")
    with _packages_of(name):
        family = family_of(AutoConfig.from_pretrained(base))
        # others attend as transformers chooses: PaliGemma 2 caps its scores, which sdpa cannot
        attention = "sdpa" if family.shared else None
        model = AutoModelForImageTextToText.from_pretrained(
            base,
            dtype=torch.float32,
            attn_implementation=attention,
            quantization_config=quantization_config,
        )
        if family.segments:
            model.set_attn_implementation({"vision_config": segments.NAME})
        for folder in adapters:
            merge_folder(model, folder)
        model.name_or_path = path
        return model, AutoProcessor.from_pretrained(with_processor(name))


def with_processor(name: str) -> str:
    """The folder or hub id that has a model's processor: of an adapter its own, if it has one."""
    path = resolve(name)
    files = ("processor_config.json", "preprocessor_config.json")
    has_one = not adapter_base(path) or any(Path(path, file).is_file() for file in files)
    return path if has_one else whole(name)


def _adapters(path: str) -> list[str]:
    """The adapters between a folder and the whole model below it, the one nearest to the model first."""
    base = adapter_base(path)
    return [*_adapters(resolve(base)), path] if base else []


def reachable(name: str) -> str:
    """The folder or hub id of a model, of an adapter that of its base, for `from_pretrained`, which would ask
    a hub that cannot be reached again and again. Raises InputError in one sentence, as
    `hub.refuse_unreachable` and `resolve` do."""
    path = whole(name)
    hub.refuse_unreachable(path)
    return path


@contextmanager
def _packages_of(name: str) -> Iterator[None]:
    """Raise InputError where a model's code needs a package that is not installed: Gemma 3n's tower timm."""
    try:
        yield
    except ImportError as error:
        raise InputError(f"{name} cannot be loaded: {' '.join(str(error).split())}") from error


def load_encoder(name: str) -> tuple[Encoder, int | None]:
    """(encoder, maximum position embeddings or None) of a model, without loading its weights."""
    with _packages_of(name):
        config = AutoConfig.from_pretrained(reachable(name))
        longest = getattr(config.get_text_config(), "max_position_embeddings", None)
        return Encoder(AutoProcessor.from_pretrained(with_processor(name)), config), longest


def load_policy(name: str, load_in_4bit: bool = False) -> tuple[PolicyModel, Encoder]:
    """A model for training, by alias, folder or hub id, and its encoder. load_in_4bit: the language model's
    linear layers are held in 4 bits (QLoRA, Dettmers et al. 2023: NF4, double quantisation) and compute in
    bf16 on an accelerator, in fp32 on a CPU."""
    model, processor = pretrained(name, _quantization_config(name) if load_in_4bit else None)
    for module in model.modules():
        # some CPUs would repack such a layer at the first rollout, for good: other numbers, and no gradient
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return PolicyModel(model), Encoder(processor, model.config)


def _quantization_config(name: str) -> BitsAndBytesConfig:
    if find_spec("bitsandbytes") is None:
        raise InputError(
            "load_in_4bit=true needs bitsandbytes; pip install 'seethink[quant]', or leave it out"
        )
    config = AutoConfig.from_pretrained(reachable(name))
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    parts = Parts(model)
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    kept = [name for name in linear if parts.of(f"{name}.") in ("vision", "projector")]
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_available() else torch.float32,
        llm_int8_skip_modules=[*kept, "lm_head"],
    )


def count_parameters(name: str) -> int | None:
    """Number of parameters, from the config alone; None where the config is not on this machine."""
    try:
        config = AutoConfig.from_pretrained(whole(name), local_files_only=True)
    except OSError:
        return None
    with _packages_of(name), torch.device("meta"):
        return sum(p.numel() for p in AutoModelForImageTextToText.from_config(config).parameters())
