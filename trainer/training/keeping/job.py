"""The job and the run: what is to be trained, and where it keeps its things. Writes nothing, loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...captions.dataset import Dataset
from ...messages import Message
from ..config import TrainConfig
from .checksums import is_whole
from .results import Checkpoint

if TYPE_CHECKING:
    from ..model.zimage import BaseModel

PREVIEWS_NAME = "previews"


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """Everything a run is made from."""

    config: TrainConfig
    dataset: Dataset
    base: BaseModel
    adapter: Path | None
    """The training adapter's file, or None for a base model that needs none."""
    notes: tuple[Message, ...] = ()
    """What the user should know about base model and adapter; said before the first step."""
    run_name: str
    """Empty for the subject's name."""
    runs_dir: Path
    """Where run folders lie, e.g. `output/zimage_lora`."""
    loras_dir: Path
    """Where LoRA files go, each run in a folder of its own, e.g. `models/loras`."""
    num_processes: int = 1
    """How many processes train it together; each step's photos are shared out among them."""

    @property
    def photos_per_step(self) -> int:
        """How many photos each step learns from, over all processes."""
        return self.config.global_batch * self.num_processes


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where one run keeps its things, and who it is."""

    name: str
    run_dir: Path
    lora_dir: Path
    identity: Mapping[str, Any]
    dataset: Dataset

    @property
    def cache_dir(self) -> Path:
        """Encoded captions and photos."""
        return self.run_dir / "cache"

    @property
    def states_dir(self) -> Path:
        """Train states."""
        return self.run_dir / "state"

    @property
    def previews_dir(self) -> Path:
        """Pictures drawn while the run trained."""
        return self.run_dir / PREVIEWS_NAME

    def checkpoint_path(self, step: int) -> Path:
        """The LoRA file of a step."""
        return self.lora_dir / f"{self.lora_dir.name}_{step:09d}.safetensors"

    def checkpoints(self) -> list[Checkpoint]:
        """The LoRA files on disk that have their full length, oldest first."""
        return [checkpoint for checkpoint in self.lora_files() if is_whole(checkpoint.path, thorough=False)]

    def lora_files(self) -> list[Checkpoint]:
        """The LoRA files on disk, whole or not, by their steps, the lowest first; times and dates mean nothing."""
        return lora_files_in(self.lora_dir)


def lora_files_in(lora_dir: Path) -> list[Checkpoint]:
    """The LoRA files of the run that has this folder for them, whole or not, by their steps, the lowest first."""
    found = lora_dir.glob(f"{_escape_glob(lora_dir.name)}_*.safetensors")
    steps = [(path.stem.rpartition("_")[2], path) for path in found]
    return sorted(
        (Checkpoint(step=int(step), path=path) for step, path in steps if step.isdigit() and len(step) == 9),
        key=lambda checkpoint: checkpoint.step,
    )


def _escape_glob(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "[]*?" else letter for letter in name)
