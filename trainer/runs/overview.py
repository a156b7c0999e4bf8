"""Overview: the runs in an output folder, one by one or as a list, as plain values that a browser draws from.

The shapes are those of `tests/event_examples.json`, which the tests of the browser read too. A sentence is
{language: text}, because the reader's language may change; a file is what the caller's `place` makes of its path.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..files import safe_name, slug
from ..messages import UserError
from ..training.evidence.verdict import UNTRAINED_STEP, Validation, judge, overfitting_since
from ..training.keeping.history import EVENTS_NAME, validations_in
from ..training.keeping.job import PREVIEWS_NAME
from ..training.keeping.lock import is_held_elsewhere
from ..training.keeping.record import RECORD_NAME, early_finish, read_record
from . import findings
from .curve import curve_points
from .findings import Place
from .run_log import RunLog

_Stamp = tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class LiveRun:
    """A run that this program trains at this moment."""

    run_dir: Path
    draft: Mapping[str, Any]
    """What its record will say (`record.draft_record`): a new run has none before its photos are encoded."""
    status: Mapping[str, Any]
    """What it is doing, as a browser is told."""


class Runs:
    """The runs in `runs_dir`, whose LoRA files lie in folders of the same names in `loras_dir`.

    What was read is kept, so that asking again costs only what has come since. Any thread may ask.
    """

    def __init__(self, runs_dir: Path, loras_dir: Path, place: Place) -> None:
        self._runs_dir, self._loras_dir, self._place = runs_dir, loras_dir, place
        self._lock = threading.Lock()
        self._records: dict[Path, tuple[_Stamp, dict[str, Any]]] = {}
        self._logs: dict[Path, RunLog] = {}
        self._looks: dict[Path, tuple[object, _Look]] = {}

    def listed(self, live: Mapping[str, LiveRun]) -> list[dict[str, Any]]:
        """A summary of each run, the one that changed last first. `live` are those in training, by id."""
        with self._lock:
            folders = self._folders()
            self._forget_all_but(set(folders.values()))
            folders |= {run_id: run.run_dir for run_id, run in live.items()}
            found = [self._look(run_id, path, live.get(run_id)).listed for run_id, path in folders.items()]
        return sorted(found, key=lambda summary: -summary["changed_at"])

    def shown(self, run_id: str, live: LiveRun | None = None) -> dict[str, Any] | None:
        """All that is known of a run; None where there is none of this id."""
        with self._lock:
            path = live.run_dir if live else self._folders().get(run_id)
            return self._look(run_id, path, live).everything if path else None

    def judged(self, run_dir: Path, total_steps: int) -> dict[str, Any]:
        """The checkpoints of a run on disk, and which of them is recommended, as an event tells it."""
        with self._lock:
            look = self._look("", run_dir, None, {"config": {"total_steps": total_steps}})
            return {"checkpoints": look.checkpoints, "recommended": look.recommended}

    def _look(self, run_id: str, path: Path, live: LiveRun | None, record: Mapping[str, Any] | None = None) -> _Look:
        lora_dir = self._loras_dir / path.name
        stamp = run_id, *map(_stamp, (path / RECORD_NAME, path / EVENTS_NAME, path / PREVIEWS_NAME, lora_dir))
        is_of_the_past = not live and not record
        known = self._looks.get(path)
        if known and known[0] == stamp and is_of_the_past:
            return known[1]
        log = self._logs.setdefault(path, RunLog(path))
        log.refresh()
        record = record or self._record(path)
        if live:
            record = {**live.draft, **record, "config": live.draft["config"]}
        look = _Look(run_id, path, record, log, live, lora_dir, self._place)
        if is_of_the_past:
            self._looks[path] = stamp, look
        return look

    def _folders(self) -> dict[str, Path]:
        """The folders of runs by id. What a link takes out of the output folder is no run of ours."""
        try:
            with os.scandir(self._runs_dir) as entries:
                paths = sorted(Path(entry.path) for entry in entries if entry.is_dir())
        except OSError:
            return {}
        root = os.path.realpath(self._runs_dir)
        return {
            self._id_of(path): path
            for path in paths
            if (path / RECORD_NAME).is_file()
            and all(Path(os.path.realpath(path / name)).is_relative_to(root) for name in (RECORD_NAME, EVENTS_NAME))
        }

    def _id_of(self, path: Path) -> str:
        """The id under which a run's events are told: where `a` and `A` are one folder, that of the name last used."""
        try:
            name = safe_name(str(self._record(path).get("name")))
        except UserError:
            return slug(path.name)
        return slug(name if name.casefold() == path.name.casefold() else path.name)

    def _record(self, path: Path) -> dict[str, Any]:
        """`run.json`, read anew when it has changed; one that cannot be read holds nothing but the reason."""
        stamp = _stamp(path / RECORD_NAME)
        known = self._records.get(path)
        if known is None or known[0] != stamp:
            try:
                record = read_record(path) or {}
            except UserError as error:
                record = {"error": error.message}
            known = self._records[path] = stamp, record
        return known[1]

    def _forget_all_but(self, paths: set[Path]) -> None:
        self._logs = {path: log for path, log in self._logs.items() if path in paths}
        self._looks = {path: look for path, look in self._looks.items() if path in paths}
        self._records = {path: record for path, record in self._records.items() if path in paths}


def _stamp(path: Path) -> _Stamp:
    """What changes when a file or folder does; None for one that is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


class _Look:
    """One run, looked at once: each part is worked out when it is first asked for."""

    def __init__(
        self,
        run_id: str,
        run_dir: Path,
        record: Mapping[str, Any],
        log: RunLog,
        live: LiveRun | None,
        lora_dir: Path,
        place: Place,
    ) -> None:
        self._id, self._run_dir, self._record, self._log, self._live = run_id, run_dir, record, log, live
        self._lora_dir, self._place = lora_dir, place
        self._config: Mapping[str, Any] = record.get("config", {})
        self._total_steps = int(self._config.get("total_steps", 0))

    @property
    def listed(self) -> dict[str, Any]:
        """The summary, and what the run is doing if it is in training."""
        return {**self.summary, "live": dict(self._live.status) if self._live else None}

    @property
    def summary(self) -> dict[str, Any]:
        """What a list of runs shows. Who holds a run may change though none of its files does."""
        return {**self._facts, "state": self._state}

    @cached_property
    def _facts(self) -> dict[str, Any]:
        losses = [
            findings.short(validation.loss) for validation in self._validations if validation.step != UNTRAINED_STEP
        ]
        return {
            "id": self._id,
            "name": self._record.get("name", self._run_dir.name),
            "subject": self._record.get("subject", ""),
            "step": self._log.last_step,
            "total_steps": self._total_steps,
            "created": self._record.get("created", ""),
            "changed_at": self._changed_at,
            "num_photos": len(self._record.get("photos", ())),
            "best_loss": min(losses, default=None),
            "recommended_step": self.recommended["step"] if self.recommended else None,
            "picture": self._previews[-1]["picture"] if self._previews else None,
        }

    @property
    def everything(self) -> dict[str, Any]:
        """What a run's own panel shows."""
        return {"run": self.summary, "live": self.listed["live"], **self._details}

    @cached_property
    def _details(self) -> dict[str, Any]:
        lines = self._log.lines
        overfitting = overfitting_since(self._validations)
        return {
            "curve": curve_points(self._log.steps()),
            "phases": findings.phase_values(self._total_steps),
            "validations": findings.validation_values(lines, self._validations),
            "overfitting_since": overfitting.step if overfitting else None,
            "checkpoints": self.checkpoints,
            "recommended": self.recommended,
            "previews": self._previews,
            "warnings": findings.warning_values(lines),
            "plan": findings.plan_value(lines),
            "peak_bytes": findings.peak_bytes(lines),
            "error": self._error,
            "settings": _widget_values(self._config),
            "model": self._record.get("base_model"),
            "run_name": self._record.get("name", self._run_dir.name),
            "earlier_settings": [self._earlier(one) for one in self._record.get("earlier_configs", ())],
        }

    @cached_property
    def checkpoints(self) -> list[dict[str, Any]]:
        """The LoRA files on disk."""
        return findings.checkpoint_values(self._lora_dir, self._total_steps, self._validations)

    @cached_property
    def recommended(self) -> dict[str, Any] | None:
        """The one to use."""
        steps = {checkpoint["step"] for checkpoint in self.checkpoints}
        return findings.recommended_value(judge(self._validations, steps))

    @cached_property
    def _validations(self) -> tuple[Validation, ...]:
        return validations_in(self._log.lines)

    @cached_property
    def _previews(self) -> list[dict[str, Any]]:
        return findings.preview_values(self._log.lines, self._run_dir / PREVIEWS_NAME, self._place)

    @property
    def _state(self) -> str:
        if self._live:
            return "running"
        if is_held_elsewhere(self._run_dir):
            return "elsewhere"
        ending = findings.last_ending(self._log.lines)
        if "error" in self._record:
            return "failed"
        if ending:
            return ending
        if findings.of_kind(self._log.lines, "began"):
            return "interrupted"
        early = early_finish(self._record)  # histories of older versions do not say how they end
        is_done = self._log.last_step >= (early[0] if early else self._total_steps)
        return "finished" if is_done else "stopped"

    @property
    def _error(self) -> dict[str, Any] | None:
        message = self._record.get("error") or findings.last_error(self._log.lines)
        return findings.message_value(message) if message and not self._live else None

    @property
    def _changed_at(self) -> float:
        """Unix time; the newest of the files that change while a run goes on."""
        found = [
            path.stat().st_mtime for name in (RECORD_NAME, EVENTS_NAME) if (path := self._run_dir / name).is_file()
        ]
        return round(max(found, default=0.0), 2)

    def _earlier(self, earlier: Mapping[str, Any]) -> dict[str, Any]:
        """Settings that the run had until a step: those that are others now."""
        now, before = _widget_values(self._config), _widget_values(earlier.get("config", {}))
        changed = {name: value for name, value in before.items() if now.get(name) != value}
        return {"until_step": earlier.get("until_step"), "until": earlier.get("until"), "settings": changed}


def _widget_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the node's widgets take them: lists as text, a line each."""
    return {name: "\n".join(map(str, value)) if isinstance(value, list) else value for name, value in config.items()}
