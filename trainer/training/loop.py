"""The loop: one run from its inputs to its checkpoints, told as a generator of events. Knows no host.

    for event in train(job, encoders, device=..., should_stop=...): ...

Read from top to bottom: `train` says what happens, the functions below it how.
"""

from __future__ import annotations

import datetime
import statistics
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator

import torch

from ..files import remove_unfinished
from .encode import EncodedDataset, Encoders, fill_cache, plan_encoding, read_encoded
from .events import Event, Finished, Preparing, Started, StepDone, Stopped, Warned
from .metadata import lora_metadata
from .phases import phase_of
from .runs import Run, TrainJob, append_loss, collect, describe_run, finished_run, write_record
from .session import open_session, resume, save_checkpoint, save_train_state
from .states import state_steps
from .step import train_step

_STEPS_TIMED = 20


# Both contexts are entered anew each time the generator goes on, so none spans a yield.
@torch.inference_mode(False)
@torch.enable_grad()
def train(
    job: TrainJob,
    encoders: Encoders,
    *,
    device: torch.device,
    should_stop: Callable[[], bool],
    clock_s: Callable[[], float] = time.monotonic,
    today: Callable[[], datetime.date] = datetime.date.today,
) -> Iterator[Event]:
    """Train a LoRA and yield what happens; the last event is Finished, or Stopped once everything is saved.

    A run that is already complete is Finished at once; one that was stopped or killed goes on from its newest valid
    train state, to the same losses. `encoders` are released before the transformer is loaded. Close the generator
    (`contextlib.closing`) when leaving early. Raises UserError for what the user can mend, where it can be before any
    GPU work.
    """
    run, config = describe_run(job), job.config
    if complete := finished_run(job):
        yield Finished(checkpoints=complete)
        return
    photos = yield from _encode(job, run, encoders, should_stop)
    if photos is None:
        yield Stopped(step=next(iter(state_steps(run.states_dir)), 0))
        return
    yield Preparing(stage="model", done=0, total=1)
    session = open_session(job, photos, device)
    yield Preparing(stage="model", done=1, total=1)
    record = write_record(run, job, today().isoformat())  # not before everything that could be refused was accepted
    done = saved = resume(session, run)
    yield Started(
        first_step=done + 1,
        total_steps=config.total_steps,
        num_photos=len(photos),
        num_trained_modules=len(session.lora) // 2,
    )
    metadata = lora_metadata(record, job.adapter)
    durations_s: deque[float] = deque(maxlen=_STEPS_TIMED)
    while done < config.total_steps:
        if should_stop():
            if done > saved:
                save_train_state(session, run, done)
            yield Stopped(step=done)
            return
        started_s = clock_s()
        loss = train_step(session, done + 1)
        durations_s.append(clock_s() - started_s)
        done += 1
        append_loss(run, done, loss)
        yield StepDone(
            step=done, total_steps=config.total_steps, loss=loss,
            seconds_per_step=statistics.median(durations_s), phase=phase_of(done),
        )  # fmt: skip
        if done % config.save_every == 0 and done < config.total_steps:
            yield save_checkpoint(session, run, done, metadata)
            saved = done
    yield save_checkpoint(session, run, done, metadata)
    yield Finished(checkpoints=collect(run, job))


def _encode(
    job: TrainJob, run: Run, encoders: Encoders, should_stop: Callable[[], bool]
) -> Generator[Event, None, EncodedDataset | None]:
    """Encode what the cache lacks and give the encoders' memory back; None if the host asked to stop."""
    plan, warnings = plan_encoding(
        job.dataset,
        trigger_word=job.config.trigger_word,
        resolution_px=job.config.training_resolution,
        encoders=encoders,
    )
    for warning in warnings:
        yield Warned(message=warning)
    for folder in (run.run_dir, run.cache_dir):
        remove_unfinished(folder)
    try:
        for event in fill_cache(plan, encoders, run.cache_dir):
            yield event
            if should_stop():
                return None
    finally:
        encoders.release()
    return read_encoded(plan, run.cache_dir)
