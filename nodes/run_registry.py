"""Run registry: the trainings that this server makes now, and one reader of all runs. Answers nobody by itself."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator
from typing import Any

from ..trainer.files import slug
from ..trainer.runs.overview import LiveRun, Runs
from ..trainer.training.keeping.control import RunControl
from ..trainer.training.keeping.record import draft_record
from ..trainer.training.keeping.runs import TrainJob, describe_run
from ..trainer.training.telling.events import Event, Finished, Stopped
from ..trainer.training.telling.remember import error_message
from . import host
from .run_events import Joiner, RunStatus, event_values, failed_values


@functools.lru_cache(maxsize=1)
def all_runs() -> Runs:
    """The reader of every run in the output folder."""
    return Runs(host.output_dir(), host.loras_dir(), host.show_output)


class Training:
    """One training in progress: what is asked of it, what it is doing, and how every browser hears of that."""

    def __init__(self, job: TrainJob, progress: host.Progress) -> None:
        run = describe_run(job)
        self.id = slug(run.lora_dir.name)
        self.control = RunControl()
        self._run_dir, self._total_steps, self._draft = run.run_dir, job.config.total_steps, draft_record(run, job)
        self._progress = progress
        self._joiner, self._status = Joiner(), RunStatus()
        self.is_over = False
        """Whether it has told of its end: whoever asks from then on is answered from its folder."""

    def tell(self, event: Event) -> None:
        """Every browser hears of an event."""
        self._status.see(event)
        self.is_over = isinstance(event, Finished | Stopped)
        for events in self._joiner.take(event, time.monotonic()):
            self._broadcast(event_values(events, host.show_output, self._judged))

    def live(self) -> LiveRun:
        """What those are told who come later."""
        status = {
            "node": self._progress.node_id,
            "workflow": self._progress.workflow_id,
            "prompt_id": self._progress.prompt_id,
            **self._status.values(),
            "finish_asked": self.control.finish_asked,
        }
        return LiveRun(run_dir=self._run_dir, draft=self._draft, status=status)

    def leave(self, error: BaseException | None) -> None:
        """It ends, by this error if there is one; told unless it was."""
        for events in self._joiner.rest():
            self._broadcast(event_values(events, host.show_output, self._judged))
        if isinstance(error, Exception):
            self._broadcast(failed_values(self._status.step, error_message(error)))
        elif not self.is_over:
            self._broadcast({"event": "Interrupted", "step": self._status.step})

    def _judged(self) -> dict[str, Any]:
        return all_runs().judged(self._run_dir, self._total_steps)

    def _broadcast(self, values: dict[str, Any]) -> None:
        self._progress.broadcast({"step": self._status.step, **values, "run": self.id, "at": round(time.time(), 2)})


_in_progress: dict[str, Training] = {}


@contextlib.contextmanager
def in_training(job: TrainJob, progress: host.Progress) -> Iterator[Training]:
    """Within it the run of this job is one that this server trains."""
    training = Training(job, progress)
    _in_progress[training.id] = training
    error: BaseException | None = None
    try:
        yield training
    except BaseException as caught:
        error = caught
        raise
    finally:
        del _in_progress[training.id]
        training.leave(error)


def training_of(run_id: str) -> Training | None:
    """The training of a run, None where this server does not train it now."""
    training = _in_progress.get(run_id)
    return training if training and not training.is_over else None


def live_runs() -> dict[str, LiveRun]:
    """The runs that this server trains, by id."""
    return {run_id: training.live() for run_id, training in list(_in_progress.items()) if not training.is_over}
