"""Disk: how much a run will write at most, and whether there is room, before anything is loaded. Writes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...messages import UserError
from ..config import TrainConfig
from ..network.targets import target_names
from ..telling.events import DiskPlanned
from ..telling.progress_text import gib
from .runs import Run, TrainJob
from .states import STATES_TO_KEEP

if TYPE_CHECKING:
    from ..model.zimage import BaseModel

_FILE_BYTES, _MASTER_BYTES = 2, 4  # of one trained number: bf16 in a checkpoint, fp32 in a train state
_STATE_BYTES = {"adam8bit": 2, "adamw": 8, "prodigy": 12, "adafactor": 0, "lion8bit": 1, "schedule-free": 8}
"""What an optimizer keeps of each trained number, in a train state."""
_LATENT_BYTES_PER_PX = 1  # 16 channels of 4 bytes for 8 x 8 pixels


def check_disk(job: TrainJob, run: Run) -> DiskPlanned:
    """What the run needs and what is free. Raises UserError, naming the folder, where a disk cannot hold it.

    Files of the run that are there already are counted as room: the new ones take their place.
    """
    numbers, text_width = trained_numbers(job.base, job.config)
    wanted = {run.lora_dir: lora_bytes(job.config, numbers), run.run_dir: run_bytes(job, numbers, text_width)}
    there = {run.lora_dir: _bytes_in(run.lora_dir), run.run_dir: _bytes_in(run.states_dir) + _bytes_in(run.cache_dir)}
    missing = {folder: max(0, needed - there[folder]) for folder, needed in wanted.items()}
    disks: dict[int, list[Path]] = {}
    for folder in missing:
        disks.setdefault(_existing(folder).stat().st_dev, []).append(folder)
    for folders in disks.values():
        needed, free = sum(missing[folder] for folder in folders), _free(folders[0])
        if needed > free:
            values = {"needed": gib(needed), "free": gib(free), "lacking": gib(needed - free)}
            raise UserError("train.no_space", path=" + ".join(map(str, folders)), **values)
    return DiskPlanned(needed_bytes=sum(missing.values()), free_bytes=min(_free(folder) for folder in missing))


def lora_bytes(config: TrainConfig, numbers: int) -> int:
    """The LoRA files that are kept, and the one being written beside them."""
    num_files = min(config.checkpoints_to_keep, -(-config.total_steps // config.save_every)) + 1
    return num_files * numbers * _FILE_BYTES


def run_bytes(job: TrainJob, numbers: int, text_width: int) -> int:
    """The train states that are kept, the one being written, and the encoded photos and captions."""
    each = _MASTER_BYTES * (2 if job.config.ema_decay else 1) + _STATE_BYTES[job.config.optimizer]
    latents = sum(px**2 for px in job.config.resolutions) * _LATENT_BYTES_PER_PX * len(job.dataset.photos)
    # About four letters are a token, and a token is `text_width` numbers of 4 bytes.
    texts = sum(len(caption) for caption in {item.caption for item in job.dataset.photos}) * text_width
    return (STATES_TO_KEEP + 1) * numbers * each + latents + texts


def trained_numbers(base: BaseModel, config: TrainConfig) -> tuple[int, int]:
    """How many numbers are learned, and the width of the base model's text features; from shapes, nothing is loaded."""
    from ..model.zimage import transformer_config

    shape = transformer_config(base)
    return numbers_learned(shape, config), int(shape["cap_feat_dim"])


def numbers_learned(shape: Mapping[str, Any], config: TrainConfig) -> int:
    """How many numbers are learned on a transformer of a shape (the arguments of diffusers' class)."""
    import torch
    from diffusers import ZImageTransformer2DModel

    with torch.device("meta"):
        transformer = ZImageTransformer2DModel.from_config(shape)
    linears = {name: part for name, part in transformer.named_modules() if isinstance(part, torch.nn.Linear)}
    chosen = [linears[name] for name in target_names(config.target_modules, linears)]
    return sum(_learned(part.in_features, part.out_features, config) for part in chosen)


def _learned(num_in: int, num_out: int, config: TrainConfig) -> int:
    """What is learned of one linear layer, to the order of a LoKr's small factor."""
    if config.network_type == "lokr":
        factor = config.lokr_factor or round(min(num_in, num_out) ** 0.5)
        side_in, side_out = num_in // factor, num_out // factor
        whole = side_in * side_out
        return factor**2 + (whole if config.lokr_full_rank else min(whole, config.linear_rank * (side_in + side_out)))
    return config.linear_rank * (num_in + num_out) + (num_out if config.network_type == "dora" else 0)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.resolve().parents) if path.is_dir())


def _free(folder: Path) -> int:
    return shutil.disk_usage(_existing(folder)).free


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
