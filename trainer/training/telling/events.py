"""Events: what `train` tells whoever runs it. Frozen values; each names only what happened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...messages import Message
from ..keeping.results import Checkpoint, Checkpoints


@dataclass(frozen=True, kw_only=True)
class Preparing:
    """Work before the first step: `stage` is `masks`, `text`, `latents` or `model`."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class DiskPlanned:
    """There is room for the run: what it will still write at most, and what is free where there is least."""

    needed_bytes: int
    free_bytes: int


@dataclass(frozen=True, kw_only=True)
class MemoryTold:
    """How training fits into memory: the plan before the first step, and what was measured after a few."""

    message: Message


@dataclass(frozen=True, kw_only=True)
class MemoryPlanned:
    """The figures behind the plan, in bytes: what training is expected to take of the device, part by part."""

    lane: str
    from_step: int
    """The first step it holds for."""
    peak_bytes: int
    weights_bytes: int
    lora_bytes: int
    """With its gradients and the optimizer's state."""
    activations_bytes: int
    context_bytes: int
    host_bytes: int
    """Pinned system memory for blocks that live there."""
    usable_bytes: int
    """What of the device may be used."""
    seconds_per_step: float
    fits: bool


@dataclass(frozen=True, kw_only=True)
class Started:
    """The loop begins, or goes on after `first_step - 1` steps that an earlier queue made."""

    first_step: int
    total_steps: int
    num_photos: int
    num_trained_modules: int


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """One optimizer update. `seconds_per_step` is the running median, `phase` a message key."""

    step: int
    total_steps: int
    loss: float
    learning_rate: float
    seconds_per_step: float
    phase: str
    used_bytes: int | None = None
    """Of the device's memory, after the step; None where nothing tells, as on a CPU."""
    peak_bytes: int | None = None
    """The most until now."""

    @property
    def seconds_left(self) -> float:
        """How long the rest takes at this pace."""
        return (self.total_steps - self.step) * self.seconds_per_step


@dataclass(frozen=True, kw_only=True)
class CheckpointSaved:
    """A LoRA file was written, read back and found good."""

    checkpoint: Checkpoint


@dataclass(frozen=True, kw_only=True)
class PreviewDrawn:
    """A picture was drawn from the checkpoint of a step; PNG."""

    step: int
    prompt: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Validated:
    """The weights of a step were tried on the held-out photos."""

    step: int
    """0 is the base model before training."""
    loss: float
    num_photos: int
    before_step: int | None
    """The step that was validated before, or None."""
    change: float
    """How much higher the loss is than it was then."""
    margin: float
    """Half of the interval that holds the true change with 95 % confidence."""
    best_step: int
    """The checkpoint with the lowest loss so far."""
    seconds: float
    """What it took."""


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something the user should know that does not stop the run."""

    message: Message


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """The host asked to stop: everything up to `step` is saved and queueing again goes on from there."""

    step: int


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The run is complete."""

    checkpoints: Checkpoints


Event = (
    DiskPlanned | MemoryPlanned | MemoryTold | Preparing | Started | StepDone
    | CheckpointSaved | PreviewDrawn | Validated | Warned | Stopped | Finished
)  # fmt: skip
