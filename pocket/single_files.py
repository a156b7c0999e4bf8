"""The pocket model as ComfyUI's three files: diffusers' tensors under the names that ComfyUI's own loaders expect."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class SingleFiles:
    """Paths of the written files, named as in ComfyUI's Z-Image template but for the prefix."""

    transformer: Path
    text_encoder: Path
    vae: Path


def write_single_files(model_dir: Path, out_dir: Path) -> SingleFiles:
    """Writes the three files from the diffusers folder model_dir, in the folder's own precision."""
    files = SingleFiles(
        out_dir / "pocket_z_image.safetensors", out_dir / "pocket_qwen_3.safetensors", out_dir / "pocket_ae.safetensors"
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    config = json.loads((model_dir / "transformer" / "config.json").read_text(encoding="utf-8"))
    widths = {name: config[name] for name in ("n_heads", "axes_dims", "axes_lens")}
    transformer = transformer_to_single_file(_weights(model_dir / "transformer"))
    save_file(transformer, files.transformer, metadata={"format": "pt", "zimage_config": json.dumps(widths)})
    text_encoder = {f"model.{name}": tensor for name, tensor in _weights(model_dir / "text_encoder").items()}
    save_file(text_encoder, files.text_encoder, metadata={"format": "pt"})
    save_file(vae_to_single_file(_weights(model_dir / "vae")), files.vae, metadata={"format": "pt"})
    return files


def transformer_to_single_file(tensors: Tensors) -> Tensors:
    """q, k and v stacked in this order on dimension 0; the patch-size part of the embedders' names dropped."""
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in (
            ("all_x_embedder.2-1.", "x_embedder."),
            ("all_final_layer.2-1.", "final_layer."),
            (".to_out.0.", ".out."),
            (".norm_q.", ".q_norm."),
            (".norm_k.", ".k_norm."),
        ):
            name = name.replace(old, new)
        renamed[name] = tensor
    for name in [name for name in renamed if name.endswith(".attention.to_q.weight")]:
        block = name.removesuffix("to_q.weight")
        parts = [renamed.pop(f"{block}to_{letter}.weight") for letter in "qkv"]
        renamed[f"{block}qkv.weight"] = torch.cat(parts)
    return renamed


def vae_to_single_file(tensors: Tensors) -> Tensors:
    """The names of the original latent-diffusion autoencoder; its attention is made of 1x1 convolutions."""
    renamed = {}
    for name, tensor in tensors.items():
        new = _vae_name(name)
        renamed[new] = tensor[:, :, None, None] if ".mid.attn_1." in new and tensor.ndim == 2 else tensor
    return renamed


def _vae_name(name: str) -> str:
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda found: f"up.{3 - int(found[1])}.block.{found[2]}", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{3 - int(found[1])}.upsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    name = name.replace("mid_block.attentions.0.", "mid.attn_1.")
    name = name.replace("attn_1.group_norm", "attn_1.norm").replace("attn_1.to_out.0", "attn_1.proj_out")
    return re.sub(r"attn_1\.to_([qkv])", r"attn_1.\1", name)


def _weights(folder: Path) -> Tensors:
    (file,) = folder.glob("*.safetensors")
    return load_file(file)
