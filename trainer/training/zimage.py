"""Z-Image: its files, its latents and its forward pass, in this project's conventions (sigma, velocity).

The only file that knows the model's key names, its reversed time and the opposite sign of its output.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..messages import UserError
from .weights import Header, fingerprint, read_header

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel

LATENT_SCALE, LATENT_SHIFT = 0.3611, 0.1159
LATENT_CHANNELS = 16
_PREFIX = "model.diffusion_model."
_FLOAT_DTYPES = {"BF16", "F16", "F32"}
_FULL_SIZE_HEAD = {"head_dim": 128, "axes_dims": [32, 48, 48], "axes_lens": [1536, 512, 512]}
_RENAMED = (
    ("x_embedder.", "all_x_embedder.2-1."),
    ("final_layer.", "all_final_layer.2-1."),
    (".attention.out.", ".attention.to_out.0."),
    (".attention.q_norm.", ".attention.norm_q."),
    (".attention.k_norm.", ".attention.norm_k."),
)


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """A base model that was looked at but not loaded: where it lies and what makes it that model."""

    paths: tuple[Path, ...]
    is_single_file: bool
    identity: str


def find_base_model(source: str | Path) -> BaseModel:
    """Look at a single file in ComfyUI's layout, a diffusers folder, or a hub id, without loading it.

    Raises UserError for a missing file, GGUF, a quantised file, or weights that are not Z-Image's.
    """
    path = Path(source)
    if path.is_file() or path.suffix in (".safetensors", ".gguf"):
        single_file_config(read_header(path), path)
        return BaseModel(paths=(path,), is_single_file=True, identity=fingerprint([path]))
    folder = local_folder(source) / "transformer"
    paths = tuple(sorted(folder.glob("*.safetensors")))
    if not paths or not (folder / "config.json").is_file():
        raise UserError("base.no_transformer", path=folder)
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("_class_name")
    except (ValueError, AttributeError) as error:
        raise UserError("base.no_transformer", path=folder) from error
    if kind != "ZImageTransformer2DModel":
        raise UserError("base.not_zimage", path=folder, found=kind)
    for weights in paths:
        read_header(weights)
    return BaseModel(paths=paths, is_single_file=False, identity=fingerprint(paths))


def local_folder(source: str | Path) -> Path:
    """A diffusers folder on this machine; a hub id is fetched into the hub's cache. Raises UserError for neither."""
    if Path(source).is_dir():
        return Path(source)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        raise UserError("base.file_missing", path=source)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        wanted = ["*.json", "tokenizer/*", "transformer/*", "text_encoder/*", "vae/*"]
        return Path(snapshot_download(str(source), allow_patterns=wanted))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError("base.hub_unreachable", source=source, reason=type(error).__name__) from error


def load_transformer(base: BaseModel, dtype: torch.dtype, device: torch.device) -> ZImageTransformer2DModel:
    """The transformer on a device, frozen, every weight in `dtype`. Needs no network for local files."""
    from diffusers import ZImageTransformer2DModel

    if base.is_single_file:
        transformer = _load_single_file(base.paths[0], dtype, device)
    else:
        transformer = ZImageTransformer2DModel.from_pretrained(
            base.paths[0].parent, torch_dtype=dtype, local_files_only=True
        )
    return transformer.to(device).requires_grad_(False)


def _load_single_file(path: Path, dtype: torch.dtype, device: torch.device) -> ZImageTransformer2DModel:
    from diffusers import ZImageTransformer2DModel
    from safetensors.torch import load_file

    config = single_file_config(read_header(path), path)
    # On the meta device nothing is drawn or allocated: the file's tensors become the parameters, one copy in memory.
    with torch.device("meta"):
        transformer = ZImageTransformer2DModel.from_config(config)
    weights = {name: tensor.to(dtype) for name, tensor in load_file(path, device=str(device)).items()}
    given, wanted = diffusers_keys(weights), transformer.state_dict()
    fitting = {name: tensor for name, tensor in given.items() if name in wanted and tensor.shape == wanted[name].shape}
    if len(fitting) < max(len(given), len(wanted)):
        missing, unexpected = len(wanted) - len(fitting), len(given) - len(fitting)
        raise UserError("base.incomplete", path=path, missing=missing, unexpected=unexpected)
    transformer.load_state_dict(fitting, assign=True)
    return transformer


def single_file_config(header: Header, path: Path) -> dict[str, Any]:
    """The arguments of diffusers' ZImageTransformer2DModel, read off a single file's shapes.

    Heads 128 wide have Z-Image's own rotary axes; other widths carry theirs in the metadata key `zimage_config`.
    """
    shapes = {name.removeprefix(_PREFIX): shape for name, shape in header.shapes.items()}
    known = ("cap_embedder.1.weight", "layers.0.attention.q_norm.weight", "layers.0.adaLN_modulation.0.weight")
    foreign = [name for name in shapes if name.startswith(("siglip_", "dec_net."))]
    if foreign or any(name not in shapes for name in known):
        raise UserError("base.not_zimage", path=path, found=next(iter(foreign or shapes), "no tensor"))
    quantised = sorted({header.dtypes[name] for name in header.dtypes} - _FLOAT_DTYPES)
    if quantised:
        raise UserError("base.quantised", path=path, dtypes=", ".join(quantised))
    dim, text_width = shapes["cap_embedder.1.weight"]
    head_dim = shapes["layers.0.attention.q_norm.weight"][0]
    stated = json.loads(header.metadata.get("zimage_config", "{}"))
    if head_dim != _FULL_SIZE_HEAD["head_dim"] and "axes_dims" not in stated:
        raise UserError("base.not_zimage", path=path, found=f"head_dim {head_dim}")
    return {
        "dim": dim,
        "cap_feat_dim": text_width,
        "n_layers": _num_blocks(shapes, "layers"),
        "n_refiner_layers": _num_blocks(shapes, "noise_refiner"),
        "n_heads": dim // head_dim,
        "n_kv_heads": dim // head_dim,
        "axes_dims": stated.get("axes_dims", _FULL_SIZE_HEAD["axes_dims"]),
        "axes_lens": stated.get("axes_lens", _FULL_SIZE_HEAD["axes_lens"]),
    }


def _num_blocks(names: Mapping[str, object], stack: str) -> int:
    return len({name.split(".")[1] for name in names if name.startswith(f"{stack}.")})


def diffusers_keys(single_file: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under diffusers' names from weights under ComfyUI's: q, k and v unstacked, blocks renamed."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in single_file.items():
        name = name.removeprefix(_PREFIX)
        if name == "norm_final.weight":  # in the official file, used by no layer
            continue
        for theirs, ours in _RENAMED:
            if theirs.startswith("."):
                name = name.replace(theirs, ours)
            elif name.startswith(theirs):
                name = ours + name.removeprefix(theirs)
        if ".attention.qkv." in name:
            for part, chunk in zip(("to_q", "to_k", "to_v"), tensor.chunk(3, dim=0), strict=True):
                renamed[name.replace("qkv", part)] = chunk
        else:
            renamed[name] = tensor
    return renamed


def model_latents(vae_latents: Tensor) -> Tensor:
    """The VAE's latents in the range the transformer works in: (z - 0.1159) * 0.3611."""
    return (vae_latents - LATENT_SHIFT) * LATENT_SCALE


def predict_velocity(
    transformer: ZImageTransformer2DModel, noisy_BCHW: Tensor, sigma_B: Tensor, text_features: Sequence[Tensor]
) -> Tensor:
    """The velocity `noise - latents` that the transformer sees in noisy latents, [B, 16, H, W] in fp32.

    `text_features` holds one [num_tokens, width] per photo. Z-Image counts time backwards (0 noise, 1 clean) and gives
    the velocity's negative; both are turned round here.
    """
    dtype = transformer.dtype
    images = list(noisy_BCHW.to(dtype).unsqueeze(2).unbind(0))
    features = [features.to(dtype) for features in text_features]
    # Rounded as in the reference: the sinusoids of time turn one last bit of 1 - sigma into 1e-5 of the gradient.
    time_B = (1000 - 1000 * sigma_B) / 1000
    outputs = transformer(images, time_B, features, return_dict=False)[0]
    return -torch.stack(list(outputs)).squeeze(2).float()
