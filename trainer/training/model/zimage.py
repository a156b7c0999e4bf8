"""Z-Image: its files, its latents and its forward pass, in this project's conventions (sigma, velocity).

The only file that knows the model's key names, its reversed time and the opposite sign of its output.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...messages import UserError, name_some
from .base_kind import Kind, recognise
from .hub import Progress, local_folder
from .quantised_files import Stored, read_weights, stored_weights
from .weights import PREFIX, Header, fingerprint, model_names, read_header

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel

LATENT_SCALE, LATENT_SHIFT = 0.3611, 0.1159
LATENT_CHANNELS = 16
_FOLDER_WEIGHTS = "diffusion_pytorch_model.safetensors"
_OTHERS = (  # what people give by mistake, by an ending or beginning of its names
    ("base.is_lora", (".lora_A.weight", ".lora_B.weight", ".lora_down.weight", ".lora_up.weight", ".lokr_w1")),
    ("base.is_text_encoder", ("model.embed_tokens.weight", "model.norm.weight")),
    ("base.is_vae", ("decoder.conv_in.weight", "decoder.conv_in.conv.weight")),
)
_FULL_SIZE_HEAD = {"head_dim": 128, "axes_dims": [32, 48, 48], "axes_lens": [1536, 512, 512]}
_QUERY_NORMS = ("layers.0.attention.q_norm.weight", "layers.0.attention.norm_q.weight")  # ComfyUI's name, diffusers'
_ALWAYS_THERE = ("cap_embedder.1.weight", "layers.0.adaLN_modulation.0.weight")
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
    name: str
    """What a sentence calls it: the file, the folder or the hub id."""
    kind: Kind = "unknown"
    """What it says it is: the three kinds have the same tensors."""
    kind_by_name: bool = False
    """Whether only its file name says so."""


def find_base_model(source: str | Path, progress: Progress | None = None) -> BaseModel:
    """Look at a single file in ComfyUI's layout, a diffusers folder, or a hub id, without loading it.

    `progress` hears of a download. Raises UserError for a missing file, GGUF, a quantised file that cannot be read,
    a broken download, or weights that are not Z-Image's.
    """
    path = Path(source)
    if path.is_file() or path.suffix in (".safetensors", ".gguf"):
        header = read_header(path)
        single_file_config(header, path)
        stored_weights(header, path)
        found = recognise(path, header.metadata)
        return BaseModel(
            paths=(path,), is_single_file=True, identity=fingerprint([path]), name=path.name,
            kind=found.kind, kind_by_name=found.by_name,
        )  # fmt: skip
    root = local_folder(source, progress)
    paths = _folder_files(root / "transformer")
    found = recognise(source, {}, root)
    return BaseModel(
        paths=paths, is_single_file=False, identity=fingerprint(paths), name=str(source),
        kind=found.kind, kind_by_name=found.by_name,
    )  # fmt: skip


def _folder_files(folder: Path) -> tuple[Path, ...]:
    """The weight files of a diffusers `transformer/`, each looked at: those of its index, else the one it has."""
    index, single = folder / f"{_FOLDER_WEIGHTS}.index.json", folder / _FOLDER_WEIGHTS
    try:
        class_name = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("_class_name")
        if index.is_file():
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            paths = tuple(sorted(folder / name for name in names))
        else:
            paths = (single,) if single.is_file() else tuple(sorted(folder.glob("*.safetensors")))
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise UserError("base.no_transformer", path=folder) from error
    if class_name != "ZImageTransformer2DModel":
        raise UserError("base.not_zimage", path=folder, found=class_name)
    if not paths:
        raise UserError("base.no_transformer", path=folder)
    for path in paths:
        stored_weights(read_header(path), path)
    return paths


def transformer_config(base: BaseModel) -> dict[str, Any]:
    """The arguments of diffusers' ZImageTransformer2DModel for a base model, loading nothing."""
    path = base.paths[0]
    if base.is_single_file:
        return single_file_config(read_header(path), path)
    return json.loads((path.parent / "config.json").read_text(encoding="utf-8"))


def load_transformer(base: BaseModel, dtype: torch.dtype, device: torch.device) -> ZImageTransformer2DModel:
    """The transformer on a device, frozen, every weight in `dtype`, whatever the files keep them in.

    Weights are read one by one: at the peak memory holds one copy in `dtype` and one tensor more. Raises UserError,
    before anything is read, for tensors that are missing, unknown or of another shape. Needs no network.
    """
    from diffusers import ZImageTransformer2DModel

    headers = {path: read_header(path) for path in base.paths}
    stored = {path: stored_weights(header, path) for path, header in headers.items()}
    config = transformer_config(base)
    # On the meta device nothing is drawn or allocated: what is read becomes the parameters, one copy in memory.
    with torch.device("meta"):
        transformer = ZImageTransformer2DModel.from_config(config)
    wanted = {name: tuple(tensor.shape) for name, tensor in transformer.state_dict().items()}
    _check_shapes(headers, stored, wanted, base.paths[0])
    weights: dict[str, Tensor] = {}
    for path, names in stored.items():
        for name, tensor in read_weights(path, names, dtype, device):
            weights |= diffusers_keys({name: tensor})
    transformer.load_state_dict(weights, assign=True)
    return transformer.requires_grad_(False)


def _check_shapes(
    headers: Mapping[Path, Header],
    stored: Mapping[Path, Mapping[str, Stored]],
    wanted: Mapping[str, tuple[int, ...]],
    place: Path,
) -> None:
    """Raise UserError unless the files hold exactly the wanted tensors, each in its shape."""
    given: dict[str, tuple[int, ...]] = {}
    for path, names in stored.items():
        for name, how in names.items():
            blank = torch.empty(headers[path].shapes[how.name], device="meta")
            given |= {key: tuple(part.shape) for key, part in diffusers_keys({name: blank}).items()}
    missing, unknown = sorted(wanted.keys() - given.keys()), sorted(given.keys() - wanted.keys())
    if missing or unknown:
        some = name_some(missing + unknown)
        raise UserError("base.incomplete", path=place, missing=len(missing), unexpected=len(unknown), names=some)
    for name, shape in wanted.items():
        if given[name] != shape:
            raise UserError("base.other_shape", path=place, name=name, found=list(given[name]), expected=list(shape))


def single_file_config(header: Header, path: Path) -> dict[str, Any]:
    """The arguments of diffusers' ZImageTransformer2DModel, read off a single file's shapes.

    The names may be ComfyUI's or diffusers' own. Heads 128 wide have Z-Image's own rotary axes; other widths carry
    theirs in the metadata key `zimage_config`. Raises UserError for other models' files, the usual mix-ups by name.
    """
    shapes = {name: header.shapes[place] for name, place in model_names(header).items()}
    norm = next((name for name in _QUERY_NORMS if name in shapes), "")
    foreign = [name for name in shapes if name.startswith(("siglip_", "dec_net."))]
    if foreign or not norm or any(name not in shapes for name in _ALWAYS_THERE):
        for key, endings in _OTHERS:
            if found := next((name for name in shapes if name.endswith(endings)), None):
                raise UserError(key, path=path, found=found)
        raise UserError("base.not_zimage", path=path, found=next(iter(foreign or shapes), "no tensor"))
    dim, text_width = shapes["cap_embedder.1.weight"]
    head_dim = shapes[norm][0]
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
        name = name.removeprefix(PREFIX)
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
    dtype = transformer.x_pad_token.dtype  # diffusers' own `dtype` walks through all modules: milliseconds a step
    images = list(noisy_BCHW.to(dtype).unsqueeze(2).unbind(0))
    features = [features.to(dtype) for features in text_features]
    # Rounded as in the reference: the sinusoids of time turn one last bit of 1 - sigma into 1e-5 of the gradient.
    time_B = (1000 - 1000 * sigma_B) / 1000
    outputs = transformer(images, time_B, features, return_dict=False)[0]
    return -torch.stack(list(outputs)).squeeze(2).float()
