"""A session: what lives in memory while a run trains, and how it goes to disk and comes back. Makes no step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..messages import UserError
from .adapter import fuse_adapter
from .buckets import BatchOrder
from .config import TrainConfig
from .encode import EncodedDataset
from .events import CheckpointSaved
from .flow import named_generator
from .lora import add_lora, save_lora
from .optimizers import make_optimizer, optimizer_state, restore_optimizer
from .results import Checkpoint
from .runs import Run, TrainJob, check_identity, keep_losses, prune_checkpoints, read_losses
from .states import TrainState, newest_state, save_state
from .zimage import load_transformer

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel

_DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(kw_only=True)
class Session:
    """What lives in memory while a run trains."""

    config: TrainConfig
    transformer: ZImageTransformer2DModel
    lora: dict[str, torch.nn.Parameter]
    optimizer: torch.optim.Optimizer
    photos: EncodedDataset
    order: BatchOrder
    device: torch.device


def open_session(job: TrainJob, photos: EncodedDataset, device: torch.device) -> Session:
    """Load the transformer, fuse the adapter, put the LoRA on, make the optimizer."""
    config = job.config
    transformer = load_transformer(job.base, _DTYPES[config.precision], device)
    if job.adapter:
        fuse_adapter(transformer, job.adapter)
    text_width = transformer.config["cap_feat_dim"]
    if photos[0].text.shape[1] != text_width:
        raise UserError("train.other_text_encoder", width=photos[0].text.shape[1], expected=text_width)
    lora = add_lora(transformer, config.linear_rank, named_generator(config.seed, "lora"))
    transformer.train()
    if device.type == "cuda":  # trades a second forward pass for most of the activations' memory
        transformer.enable_gradient_checkpointing()
    return Session(
        config=config,
        transformer=transformer,
        lora=lora,
        optimizer=make_optimizer(config, list(lora.values())),
        photos=photos,
        order=BatchOrder([photo.bucket for photo in photos], config.batch_size, config.seed),
        device=device,
    )


def resume(session: Session, run: Run) -> int:
    """Go back to the newest valid train state, if there is one; returns the number of steps that are done."""
    check_identity(run)
    state = newest_state(run.states_dir)
    done = 0
    if state:
        with torch.no_grad():
            for name, parameter in session.lora.items():
                parameter.copy_(state.lora[name])
        restore_optimizer(session.optimizer, session.lora, state.optimizer)
        done = state.step
    keep_losses(run, read_losses(run.run_dir, done))
    return done


def save_checkpoint(session: Session, run: Run, step: int, metadata: dict[str, str]) -> CheckpointSaved:
    """Write the LoRA file, then the train state; only then let older ones go."""
    path = run.checkpoint_path(step)
    save_lora(path, session.lora, {**metadata, "ss_steps": str(step)})
    save_train_state(session, run, step)
    prune_checkpoints(run, session.config.checkpoints_to_keep)
    return CheckpointSaved(checkpoint=Checkpoint(step=step, path=path))


def save_train_state(session: Session, run: Run, step: int) -> None:
    optimizer = optimizer_state(session.optimizer, session.lora)
    save_state(run.states_dir, TrainState(step=step, lora=session.lora, optimizer=optimizer))
