"""Runs: the folder of one training, what makes it that run, and what it has already made. Loads no torch.

`run.json` says what is trained, `events.jsonl` the loss of every step, `cache/` holds encodings, `state/` train states.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..captions.dataset import Dataset
from ..files import as_user_error, remove_unfinished, safe_name, slug, write_text_whole
from ..messages import UserError
from .config import TrainConfig
from .results import Checkpoint, Checkpoints
from .weights import fingerprint

if TYPE_CHECKING:
    from .zimage import BaseModel

_FORMAT_VERSION = 1
_RECORD, _EVENTS = "run.json", "events.jsonl"


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """Everything a run is made from."""

    config: TrainConfig
    dataset: Dataset
    base: BaseModel
    adapter: Path | None
    """The training adapter's file, or None for a base model that needs none."""
    run_name: str
    """Empty for the subject's name."""
    runs_dir: Path
    """Where run folders lie, e.g. `output/zimage_lora`."""
    loras_dir: Path
    """Where LoRA files go, each run in a folder of its own, e.g. `models/loras`."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where one run keeps its things, and who it is."""

    name: str
    run_dir: Path
    lora_dir: Path
    identity: Mapping[str, Any]

    @property
    def cache_dir(self) -> Path:
        """Encoded captions and photos."""
        return self.run_dir / "cache"

    @property
    def events_path(self) -> Path:
        """The loss of every step, a line each."""
        return self.run_dir / _EVENTS

    @property
    def states_dir(self) -> Path:
        """Train states."""
        return self.run_dir / "state"

    def checkpoint_path(self, step: int) -> Path:
        """The LoRA file of a step."""
        return self.lora_dir / f"{self.lora_dir.name}_{step:09d}.safetensors"

    def checkpoints(self) -> list[Checkpoint]:
        """The LoRA files on disk, oldest first."""
        found = self.lora_dir.glob(f"{_escape_glob(self.lora_dir.name)}_*.safetensors")
        steps = [(path.stem.rpartition("_")[2], path) for path in found]
        return sorted(
            (Checkpoint(step=int(step), path=path) for step, path in steps if step.isdigit() and len(step) == 9),
            key=lambda checkpoint: checkpoint.step,
        )


def _escape_glob(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "[]*?" else letter for letter in name)


def describe_run(job: TrainJob) -> Run:
    """The run that a job means; an empty name is the subject's. Raises UserError for a name with a path in it,
    and for a base model that is missing or of another kind."""
    name = job.run_name or job.dataset.subject
    folder = safe_name(name)
    identity = {
        **job.config.identity,
        "training_adapter": fingerprint([job.adapter]) if job.adapter else "none",
        "base_model": job.base.identity,
        "dataset": job.dataset.fingerprint,
    }
    return Run(name=name, run_dir=job.runs_dir / folder, lora_dir=job.loras_dir / folder, identity=identity)


def check_identity(run: Run) -> None:
    """Raise UserError, naming every difference, where the run's folder belongs to a run with other identity fields."""
    record = read_record(run.run_dir)
    if record is None:
        return
    before = record["identity"]
    changed = sorted(name for name in {*before, *run.identity} if before.get(name) != run.identity.get(name))
    if changed:
        shown = [f"{name}: {_short(before.get(name))} -> {_short(run.identity.get(name))}" for name in changed]
        raise UserError("train.other_run", name=run.name, path=run.run_dir, differences="; ".join(shown))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:8]}…"


def read_record(run_dir: Path) -> dict[str, Any] | None:
    """What `run.json` says, or None for a folder without one. Raises UserError for one that cannot be read."""
    path = run_dir / _RECORD
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError("train.bad_record", path=path) from error


def write_record(run: Run, job: TrainJob, today: str) -> dict[str, Any]:
    """Write `run.json`, keeping the first day and every earlier set of settings; returns what was written."""
    before = read_record(run.run_dir) or {"created": today, "earlier_configs": []}
    earlier = before["earlier_configs"]
    settings = dataclasses.asdict(job.config)
    if before.get("config", settings) != settings:
        earlier = [*earlier, {"until": today, "config": before["config"]}]
    record = {
        "format_version": _FORMAT_VERSION,
        "name": run.name,
        "slug": slug(run.lora_dir.name),
        "created": before["created"],
        "subject": job.dataset.subject,
        "identity": dict(run.identity),
        "config": settings,
        "earlier_configs": earlier,
        "versions": {name: _version(name) for name in ("torch", "diffusers", "peft", "bitsandbytes")},
        "photos": [
            {"path": str(item.photo.path), "content_hash": item.photo.content_hash, "caption": item.caption}
            for item in job.dataset.photos
        ],
    }
    write_text_whole(run.run_dir / _RECORD, json.dumps(record, ensure_ascii=False, indent=1))
    return record


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def read_losses(run_dir: Path, up_to_step: int) -> dict[int, float]:
    """The loss by step, up to a step, from `events.jsonl`; a line that a crash damaged is passed over."""
    losses: dict[int, float] = {}
    path = run_dir / _EVENTS
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            event = json.loads(line)
            losses[int(event["step"])] = float(event["loss"])
        except (ValueError, KeyError, TypeError):
            continue
    return {step: loss for step, loss in sorted(losses.items()) if step <= up_to_step}


def keep_losses(run: Run, losses: Mapping[int, float]) -> None:
    """Write `events.jsonl` anew with the losses of these steps."""
    write_text_whole(run.events_path, "".join(_loss_line(step, loss) for step, loss in losses.items()))


def append_loss(run: Run, step: int, loss: float) -> None:
    """Add a step's line to `events.jsonl`; opened for each line, so that no handle is held while the host works."""
    try:
        with open(run.events_path, "a", encoding="utf-8") as file:
            file.write(_loss_line(step, loss))
    except OSError as error:
        raise as_user_error(error, run.events_path) from error


def _loss_line(step: int, loss: float) -> str:
    return json.dumps({"step": step, "loss": loss}) + "\n"


def collect(run: Run, job: TrainJob) -> Checkpoints:
    """The value that training hands on, from what lies on disk."""
    checkpoints = tuple(run.checkpoints())
    return Checkpoints(
        run_name=run.name,
        run_dir=run.run_dir,
        subject=job.dataset.subject,
        trigger_word=job.config.trigger_word,
        checkpoints=checkpoints,
        losses=tuple(read_losses(run.run_dir, checkpoints[-1].step).values()),
    )


def finished_run(job: TrainJob) -> Checkpoints | None:
    """The checkpoints of a run that has made all its steps, else None. Raises UserError for another run's folder."""
    run = describe_run(job)
    check_identity(run)
    checkpoints = run.checkpoints()
    if not (run.run_dir / _RECORD).is_file() or not checkpoints or checkpoints[-1].step < job.config.total_steps:
        return None
    return collect(run, job)


def prune_checkpoints(run: Run, num_to_keep: int) -> None:
    """Delete the oldest LoRA files beyond the newest `num_to_keep`, and what a killed process left half written."""
    remove_unfinished(run.lora_dir)
    for checkpoint in run.checkpoints()[:-num_to_keep]:
        checkpoint.path.unlink(missing_ok=True)
