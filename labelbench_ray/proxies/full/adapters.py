"""Low-rank adapters (LoRA, Hu et al. 2022) on the last blocks of a network, by `peft`."""

from collections import Counter

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from labelbench_ray.encoders.networks.from_pixels import FromPixels
from labelbench_ray.errors import ConfigError


def blocks(network: nn.Module) -> list[nn.Module]:
    """The blocks that a network repeats, first to last: of transformers, of residual and mobile networks.

    They are the members of lists of modules; of the compound kinds among them, the most frequent.
    """
    members = [
        member
        for parent in network.modules()
        if isinstance(parent, nn.ModuleList | nn.Sequential)
        for member in parent
        if any(True for _ in member.children())
    ]
    if not members:
        raise ConfigError("proxy lora: this encoder's network has no repeated block to adapt; use 'full_model'")
    kind = Counter(map(type, members)).most_common(1)[0][0]
    return [member for member in members if type(member) is kind]


def adapted(network: FromPixels, count: int, config: LoraConfig, seed: int) -> PeftModel:
    """The network with adapters in its last `count` blocks, the only weights that require a gradient."""
    chosen = blocks(network)[-count:]
    if len(chosen) < count:
        raise ConfigError(f"proxy lora: blocks={count}, this encoder's network has {len(chosen)}; lower `blocks`")
    inside = {module for block in chosen for module in _adaptable(block)}
    config.target_modules = [name for name, module in network.named_modules() if module in inside]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = get_peft_model(network, config)
    assert isinstance(model, PeftModel)
    return model


def merged(model: nn.Module) -> FromPixels:
    """The network that `adapted` was given, its adapters added to its weights."""
    assert isinstance(model, PeftModel)
    network = model.merge_and_unload()
    assert isinstance(network, FromPixels)
    return network


def _adaptable(block: nn.Module) -> list[nn.Module]:
    """Linear layers, attention, and pointwise convolutions, which are linear layers too."""
    attentions = [module for module in block.modules() if isinstance(module, nn.MultiheadAttention)]
    # An attention is adapted as one module: torch never calls its output layer as a module.
    within = {inner for attention in attentions for inner in attention.modules()}
    return attentions + [
        module
        for module in block.modules()
        if module not in within and (isinstance(module, nn.Linear) or _is_pointwise(module))
    ]


def _is_pointwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and tuple(module.kernel_size) == (1, 1) and module.groups == 1
