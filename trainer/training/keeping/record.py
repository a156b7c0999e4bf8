"""The record: `run.json`, what a run is, what it was told and when, in which settings. Loads no torch."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...files import slug, write_text_whole
from ...messages import UserError, name_some
from ...photos.photo import UNKNOWN

if TYPE_CHECKING:
    from ...captions.dataset import CaptionedPhoto, Dataset
    from .job import Run, TrainJob

_FORMAT_VERSION = 1
RECORD_NAME = "run.json"


def check_identity(run: Run) -> None:
    """Raise UserError, naming every difference, where the run's folder belongs to a run with other identity fields."""
    record = read_record(run.run_dir)
    if record is None:
        if any(run.states_dir.glob("step-*")):
            raise UserError("train.record_gone", path=run.run_dir / RECORD_NAME, states=run.states_dir)
        return
    before = record["identity"]
    changed = sorted(name for name in {*before, *run.identity} if before.get(name) != run.identity.get(name))
    if not changed:
        return
    shown = [f"{name}: {_short(before.get(name))} -> {_short(run.identity.get(name))}" for name in changed]
    if "dataset" in changed:
        shown[changed.index("dataset")] = f"dataset: {_dataset_changes(record['photos'], run.dataset)}"
    raise UserError("train.other_run", name=run.name, path=run.run_dir, differences="; ".join(shown))


def _dataset_changes(before: list[dict[str, str]], dataset: Dataset) -> str:
    """Which photos came, which went and which have other captions, by name: `- a.jpg; + b.jpg; ~ c.jpg`."""
    captions = {photo["content_hash"]: photo["caption"] for photo in before}
    now = {item.photo.content_hash: item.caption for item in dataset.photos}
    gone = [Path(photo["path"]).name for photo in before if photo["content_hash"] not in now]
    new = [item.photo.path.name for item in dataset.photos if item.photo.content_hash not in captions]
    said = [
        item.photo.path.name
        for item in dataset.photos
        if captions.get(item.photo.content_hash, item.caption) != item.caption
    ]
    parts = [f"{sign} {name_some(names)}" for sign, names in (("-", gone), ("+", new), ("~", said)) if names]
    return ", ".join(parts) or "order"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:8]}…"


def read_record(run_dir: Path) -> dict[str, Any] | None:
    """What `run.json` says, or None for a folder without one. Raises UserError for one that cannot be read."""
    path = run_dir / RECORD_NAME
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        kinds = dict(identity=dict, config=dict, photos=list, created=str, earlier_configs=list)
        if all(isinstance(record[key], kind) for key, kind in kinds.items()):
            return dict(record)
    except (ValueError, KeyError, TypeError):
        pass
    raise UserError("train.bad_record", path=path)


def write_record(
    run: Run, job: TrainJob, today: str, done: int, lane: str = "", attention: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write `run.json` of a run that goes on after `done` steps in a lane; returns what was written.

    It keeps the first day, every earlier set of settings with the step up to which it held, and every lane with its
    `attention`, where that was measured.
    """
    before = read_record(run.run_dir) or {"created": today, "earlier_configs": []}
    earlier = before["earlier_configs"]
    settings = _settings(job)
    if before.get("config", settings) != settings:
        earlier = [*earlier, {"until": today, "until_step": done, "config": before["config"]}]
    early = early_finish(before)
    entry = {"from_step": done + 1, "lane": lane, **({"attention": dict(attention)} if attention else {})}
    record = {
        "format_version": _FORMAT_VERSION,
        "name": run.name,
        "slug": slug(run.lora_dir.name),
        "created": before["created"],
        "subject": job.dataset.subject,
        "base_model": job.base.name,
        "base_kind": job.base.kind,
        "identity": dict(run.identity),
        "config": settings,
        "earlier_configs": earlier,
        "lanes": [*before.get("lanes", []), *([entry] if lane else [])],
        **({"validation": before["validation"]} if "validation" in before else {}),
        **({"finished_early": before["finished_early"]} if early and early[1] == job.config.total_steps else {}),
        "versions": {name: _version(name) for name in ("torch", "diffusers", "peft", "bitsandbytes")},
        "photos": [_photo_record(item) for item in job.dataset.photos],
    }
    write_text_whole(run.run_dir / RECORD_NAME, json.dumps(record, ensure_ascii=False, indent=1))
    return record


def attention_of(record: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What a record says of the attention of the run's last steps; empty where it says nothing."""
    lanes = (record or {}).get("lanes") or [{}]
    last = lanes[-1] if isinstance(lanes, list) else {}
    found = last.get("attention") if isinstance(last, dict) else None
    return found if isinstance(found, dict) else {}


def draft_record(run: Run, job: TrainJob) -> dict[str, Any]:
    """What can be said of a run before its record is written: who it is, its settings and its photos."""
    return {
        "name": run.name,
        "created": "",
        "subject": job.dataset.subject,
        "base_model": job.base.name,
        "config": _settings(job),
        "earlier_configs": [],
        "photos": [_photo_record(item) for item in job.dataset.photos],
    }


def _settings(job: TrainJob) -> dict[str, Any]:
    """The config as it comes back from JSON: lists for tuples."""
    return dict(json.loads(json.dumps(dataclasses.asdict(job.config))))


def _photo_record(item: CaptionedPhoto) -> dict[str, Any]:
    """A photo as later stages need it: whoever compares faces finds them here without a detector."""
    photo = item.photo
    return {
        "path": str(photo.path),
        "content_hash": photo.content_hash,
        "caption": item.caption,
        "shot": photo.judgement.shot if photo.judgement else UNKNOWN,
        "faces": [list(box) for box in photo.faces],
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def record_early_finish(run: Run, job: TrainJob, step: int) -> None:
    """Note in `run.json` that its user had the run end at a step; it counts as finished for these total_steps."""
    early = {"step": step, "total_steps": job.config.total_steps}
    record = {**(read_record(run.run_dir) or {}), "finished_early": early}
    write_text_whole(run.run_dir / RECORD_NAME, json.dumps(record, ensure_ascii=False, indent=1))


def record_validation(run: Run, validation: Mapping[str, Any]) -> None:
    """Note in `run.json` which photos are held out, and how they are looked at; a run keeps to it to its end."""
    record = {**(read_record(run.run_dir) or {}), "validation": dict(validation)}
    write_text_whole(run.run_dir / RECORD_NAME, json.dumps(record, ensure_ascii=False, indent=1))


def early_finish(record: Mapping[str, Any]) -> tuple[int, int] | None:
    """The step at which a run was told to end and the total_steps it then had, or None."""
    try:
        return int(record["finished_early"]["step"]), int(record["finished_early"]["total_steps"])
    except (KeyError, TypeError, ValueError):
        return None


def steps_wanted(run: Run, job: TrainJob) -> int:
    """The step at which a run ends: where its user had it end early, unless total_steps was changed since."""
    early = early_finish(read_record(run.run_dir) or {})
    return early[0] if early and early[1] == job.config.total_steps else job.config.total_steps
