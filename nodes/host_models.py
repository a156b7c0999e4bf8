"""HostModels: ComfyUI's folders of model files and its memory management, for models of ours. Loads no file itself."""

from __future__ import annotations

from pathlib import Path

import comfy.model_management
import comfy.model_patcher
import folder_paths
import torch

from ..trainer.messages import UserError
from . import host

_WEIGHTS = (".safetensors", ".pth", ".pt", ".ckpt")


def model_names(*kinds: str) -> list[str]:
    """The model files in several folders, as ComfyUI lists them."""
    return sorted({name for kind in kinds for name in _listed(kind) if Path(name).suffix.lower() in _WEIGHTS})


def model_path(name: str, *kinds: str) -> Path:
    """The file of a name in the first of several folders that has it. Raises UserError if none has."""
    kind = next((kind for kind in kinds if name in _listed(kind)), None)
    if kind is None:
        raise UserError("host.file_gone", name=name, folder=", ".join(str(_own_folder(kind)) for kind in kinds))
    return host.model_file(kind, name) if _is_registered(kind) else _own_folder(kind) / name


def _listed(kind: str) -> list[str]:
    """The files of a kind. One that no node pack has registered is the folder models/<kind>.

    It is not registered here: that would keep a pack that comes later from saying which files belong to it.
    """
    if _is_registered(kind):
        return folder_paths.get_filename_list(kind)
    return folder_paths.recursive_search(str(_own_folder(kind)))[0]


def _is_registered(kind: str) -> bool:
    return kind in folder_paths.folder_names_and_paths


def _own_folder(kind: str) -> Path:
    return Path(folder_paths.models_dir) / kind


def managed(model: torch.nn.Module) -> comfy.model_patcher.ModelPatcher:
    """A model of ours in the care of ComfyUI's memory management."""
    load, offload = host.device(), comfy.model_management.unet_offload_device()
    return comfy.model_patcher.CoreModelPatcher(model, load_device=load, offload_device=offload)


def load_on_device(patcher: comfy.model_patcher.ModelPatcher, num_bytes: float = 0) -> torch.device:
    """Have ComfyUI put a model where it computes, with so much room beside it. Hold `models_lock` until done."""
    comfy.model_management.load_models_gpu([patcher], memory_required=num_bytes, force_full_load=True)
    return patcher.load_device
