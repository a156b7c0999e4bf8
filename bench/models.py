"""Models to measure: the pocket model from its files; Z-Image's real shapes, and tiny ones, with random weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trainer.training.model.zimage import BaseModel, find_base_model, load_transformer

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel

POCKET_DIR = Path(__file__).parents[1] / "pocket" / "model"
FULL_CONFIG: Mapping[str, Any] = dict(
    dim=3840, n_layers=30, n_refiner_layers=2, n_heads=30, n_kv_heads=30, cap_feat_dim=2560,
    axes_dims=[32, 48, 48], axes_lens=[1536, 512, 512],
)  # fmt: skip
"""Z-Image's own shapes: 6.155 billion parameters."""
TINY_CONFIG: Mapping[str, Any] = {
    **FULL_CONFIG,
    **dict(dim=96, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=16, axes_dims=[16, 16, 16]),
}
"""Small enough to try the measuring itself out."""
SIZES = ("tiny", "pocket", "full")
_WEIGHT_STD = 0.02
_SEED = 0


@dataclass(frozen=True)
class Model:
    """A model of one size: what a job says of it, and its weights on demand."""

    size: str
    base: BaseModel
    config: Mapping[str, Any]
    """diffusers' arguments."""
    drawn_on: torch.device
    """Where random weights are made: a card does in a second what takes a CPU minutes."""

    def load(self, base: BaseModel, dtype: torch.dtype, device: torch.device) -> ZImageTransformer2DModel:
        """The transformer on a device, frozen, in `dtype`: what `open_session` asks for."""
        if self.size == "pocket":
            return load_transformer(base, dtype, device)
        return random_transformer(self.config, dtype, device, self.drawn_on)


def model_of(size: str, device: torch.device) -> Model:
    """The model of a size of `SIZES`. Raises UserError where the pocket model is not in the checkout."""
    if size == "pocket":
        base = find_base_model(POCKET_DIR)
        config = json.loads((base.paths[0].parent / "config.json").read_text(encoding="utf-8"))
    else:
        base = BaseModel(paths=(), is_single_file=True, identity="random", name="random weights")
        config = FULL_CONFIG if size == "full" else TINY_CONFIG
    return Model(size, base, config, device)


def random_transformer(
    config: Mapping[str, Any], dtype: torch.dtype, device: torch.device, drawn_on: torch.device
) -> ZImageTransformer2DModel:
    """A frozen transformer with weights as a freshly initialised one has them; nothing is read or downloaded."""
    from diffusers import ZImageTransformer2DModel

    with torch.device("meta"):
        transformer = ZImageTransformer2DModel.from_config(dict(config))
    generator = torch.Generator(drawn_on).manual_seed(_SEED)
    weights = {}
    for name, wanted in transformer.state_dict().items():
        weight = torch.empty(wanted.shape, dtype=dtype, device=drawn_on)
        if wanted.ndim == 1:
            weight.fill_(1.0 if "norm" in name else 0.0)
        else:
            weight.normal_(std=_WEIGHT_STD, generator=generator)
        weights[name] = weight.to(device)
    transformer.load_state_dict(weights, assign=True)
    return transformer.requires_grad_(False)


def num_linear_parameters(transformer: ZImageTransformer2DModel) -> int:
    """How many parameters the linears of the main layers have: what forward and backward must multiply with.

    Told from the shapes of the model, so that quantised layers and those with a LoRA count as they were.
    """
    dim, num_blocks = transformer.config["dim"], transformer.config["n_layers"]
    hidden = int(dim / 3 * 8)  # diffusers' own width of the feed-forward part
    modulation = 4 * dim * min(dim, 256)
    return num_blocks * (4 * dim * dim + 3 * dim * hidden + modulation)


def num_tokens(width_px: int, height_px: int, num_text_tokens: int) -> int:
    """How many tokens the main layers see of one photo: its patches of 16 x 16 pixels and its caption, each part
    filled up to a multiple of 32."""
    patches = (width_px // 16) * (height_px // 16)
    return sum(-(-part // 32) * 32 for part in (patches, num_text_tokens))
