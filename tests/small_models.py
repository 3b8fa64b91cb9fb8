"""Encoders that are small enough to train in a test."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from labelbench_ray import encoders, plugins, proxies
from labelbench_ray.encoders import Encoder
from labelbench_ray.plugins import Part
from labelbench_ray.proxies import Proxy, heads
from labelbench_ray.proxies.heads import Head, HeadContext

CLASSES = ("sea_gull", "owl", "fire_truck")
CLIP: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 3, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
RESNET = CLIP | {"vision_cfg": {"image_size": 32, "layers": [1, 1, 2, 1], "width": 8, "patch_size": None}}


@dataclass(frozen=True)
class SmallClip:
    """An open_clip model, and the encoder that reads its files."""

    model: torch.nn.Module
    encoder: Encoder


def make_clip(folder: Path, config: dict[str, Any] = CLIP, **settings: Any) -> SmallClip:
    """Write a configuration and random weights to a folder."""
    import open_clip

    path = folder / f"labelbench-small-{'resnet' if config is RESNET else 'vit'}.json"
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)
    torch.manual_seed(0)
    model = open_clip.create_model(path.stem).eval()
    torch.save(model.state_dict(), folder / "weights.pt")
    return SmallClip(
        model, build_encoder("open_clip", model=str(path), pretrained=str(folder / "weights.pt"), **settings)
    )


def build_encoder(name: str, **settings: Any) -> Encoder:
    return plugins.build(Encoder, encoders.PACKAGE, Part.of(name, **settings))


def build_head(name: str, **settings: Any) -> Head:
    return plugins.build(Head, heads.PACKAGE, Part.of(name, **settings))


def build_proxy(name: str, **settings: Any) -> Any:
    return plugins.build(Proxy, proxies.PACKAGE, Part.of(name, **settings))


def context(encoder: Encoder, **fields: Any) -> HeadContext:
    return HeadContext(
        **{"encoder": encoder, "classes": CLASSES, "dimensions": encoder.dimensions(), "seed": 3} | fields
    )
