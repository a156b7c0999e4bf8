"""The two sides of a contest, opened on the same photos of noise: the product, and the plain loop. Times nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.captions.dataset import Dataset
from trainer.memory.costs import Workload
from trainer.memory.fitting import workload
from trainer.training.config import TrainConfig
from trainer.training.data.encode import EncodedPhoto
from trainer.training.data.resident import resident_bytes
from trainer.training.keeping.runs import TrainJob
from trainer.training.model.zimage import LATENT_CHANNELS
from trainer.training.session import Session, open_session, plan_session
from trainer.training.step import train_step

from .models import Model
from .reference import EagerReference

Step = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is the same for every cell."""

    model: Model
    device: torch.device
    rank: int
    num_text_tokens: int
    num_rounds: int
    steps_per_round: int
    used_before: int
    """Bytes that others use on the card."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one row of the table measures."""

    lane: str
    lane_settings: dict[str, object]
    resolution_px: int
    batch_size: int


def open_product(cell: Cell, settings: Settings) -> Session:
    """The product's own session on photos of noise."""
    config = TrainConfig(
        linear_rank=settings.rank,
        training_resolution=cell.resolution_px,
        batch_size=cell.batch_size,
        training_adapter="none",
        **cell.lane_settings,  # type: ignore[arg-type]
    )
    nowhere = Path("nowhere")  # a session reads and writes nothing there
    job = TrainJob(
        config=config,
        dataset=Dataset(subject="nobody", photos=()),
        base=settings.model.base,
        adapter=None,
        run_name="bench",
        runs_dir=nowhere,
        loras_dir=nowhere,
    )
    photos, model = photos_of_noise(cell, settings), settings.model
    plan = plan_session(job, photos, settings.device, shape=model.config)
    return open_session(job, photos, settings.device, load=model.load, plan=plan)


def product_step(session: Session) -> Step:
    """The product's own step, the next one each time."""
    steps = iter(range(1, 1 << 30))
    return lambda: train_step(session, next(steps)).loss


def open_reference(cell: Cell, settings: Settings) -> EagerReference:
    """The plain loop on the same photos."""
    photos = photos_of_noise(cell, settings)[: cell.batch_size]
    return EagerReference(
        settings.model.load(settings.model.base, torch.bfloat16, settings.device),
        rank=settings.rank,
        latents_BCHW=torch.stack([photo.latents_CHW for photo in photos]),
        texts=[photo.text for photo in photos],
    )


def photos_of_noise(cell: Cell, settings: Settings) -> tuple[EncodedPhoto, ...]:
    """As many encoded photos as a batch holds, all of one bucket."""
    generator = torch.Generator().manual_seed(0)
    side = cell.resolution_px // 8
    shapes = (LATENT_CHANNELS, side, side), (settings.num_text_tokens, settings.model.config["cap_feat_dim"])
    drawn = [[torch.randn(shape, generator=generator) for shape in shapes] for _ in range(cell.batch_size)]
    return tuple(
        EncodedPhoto(name=f"{i}.png", bucket=(cell.resolution_px,) * 2, latents_CHW=latents_CHW, text=text)
        for i, (latents_CHW, text) in enumerate(drawn)
    )


def work_of(session: Session) -> Workload:
    """The workload that the session's plan was made for."""
    trained = sum(parameter.numel() for parameter in session.lora.values())
    photo_bytes = resident_bytes(session.photos, session.device, torch.bfloat16)
    return workload(session.config, session.photos, trained, photo_bytes)
