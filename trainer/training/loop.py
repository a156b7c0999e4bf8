"""The loop: one run from its inputs to its checkpoints, told as a generator of events. Knows no host.

    for event in train(job, encoders, device=..., should_stop=...): ...

Read from top to bottom: `train` says what happens, the functions below it how.
"""

from __future__ import annotations

import contextlib
import datetime
import statistics
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import torch

from ..files import remove_unfinished
from ..memory.planner import lane_text
from ..memory.shortage import give_back
from ..messages import Message
from .data.encode import EncodedDataset, plan_encoding, read_encoded
from .data.encoders import Encoders
from .data.filling import fill_cache
from .evidence.holdout import Split
from .evidence.judging import Judging, split_for
from .evidence.validation import divide
from .faults import careful_step, naming_memory_errors
from .keeping.checksums import is_whole
from .keeping.control import RunControl
from .keeping.disk import check_disk
from .keeping.lock import hold_run
from .keeping.record import attention_of, read_record, record_early_finish, steps_wanted, write_record
from .keeping.repair import finished_notes
from .keeping.runs import Run, TrainJob, collect, describe_run, finished_run
from .keeping.states import state_steps
from .network.lora import num_modules
from .network.metadata import lora_metadata
from .ranks import ALONE, Ranks
from .session import Session, open_session, plan_session, resume, save_checkpoint, save_train_state
from .step import train_step
from .telling.events import Event, Finished, Preparing, Started, StepDone, Stopped, Warned
from .telling.lane_watch import LaneWatch, told_of_attention, told_of_compiling
from .telling.phases import phase_of
from .telling.previews import PreviewRenderer, check_previews, draw_previews
from .telling.remember import remembered
from .update.optimizers import check_optimizer, learning_rate_of
from .update.schedules import stretched_schedule

_STEPS_TIMED = 20
_GO_ON, _STOP, _FINISH = range(3)


# Both contexts are entered anew each time the generator goes on, so none spans a yield.
@torch.inference_mode(False)
@torch.enable_grad()
def train(
    job: TrainJob,
    encoders: Encoders,
    *,
    device: torch.device,
    should_stop: Callable[[], bool],
    control: RunControl | None = None,
    previews: PreviewRenderer | None = None,
    ranks: Ranks = ALONE,
    clock_s: Callable[[], float] = time.monotonic,
    unix_s: Callable[[], float] = time.time,
    today: Callable[[], datetime.date] = datetime.date.today,
) -> Iterator[Event]:
    """Train a LoRA and yield what happens; the last event is Finished, or Stopped once everything is saved.

    A run that is already complete is Finished at once; one that was stopped or killed goes on from its newest valid
    train state, to the same losses. `encoders` are released before the transformer is loaded. Close the generator
    (`contextlib.closing`) when leaving early. Through `control` other threads may ask it to finish or to save. Raises
    UserError for what the user can mend, where it can be before any GPU work.
    """
    run = describe_run(job)
    if complete := finished_run(job):
        for note in finished_notes(run):
            yield Warned(message=note)
        yield Finished(checkpoints=complete)
        return
    for note in job.notes:
        yield Warned(message=note)
    check_previews(job, previews)
    yield check_disk(job, run)
    with hold_run(run.run_dir, run.name) if ranks.is_first else contextlib.nullcontext(True) as is_held:
        if not is_held:
            yield Warned(message=Message("train.no_lock", {"path": run.run_dir}))
        host = _Host(
            device=device, should_stop=should_stop, control=control or RunControl(), previews=previews,
            ranks=ranks, clock_s=clock_s, unix_s=unix_s, today=today,
        )  # fmt: skip
        events = _encode_and_train(job, run, encoders, host)
        yield from remembered(events, run, job.notes, unix_s) if ranks.is_first else events


@dataclass(frozen=True, kw_only=True)
class _Host:
    """What whoever runs the loop has given it."""

    device: torch.device
    should_stop: Callable[[], bool]
    control: RunControl
    previews: PreviewRenderer | None
    ranks: Ranks
    clock_s: Callable[[], float]
    unix_s: Callable[[], float]
    today: Callable[[], datetime.date]

    def wants(self, done: int) -> int:
        """Whether the run should go on, stop or finish after `done` steps: what the first rank was asked, on all."""
        asked = _STOP if self.should_stop() else _FINISH if done and self.control.finish_asked else _GO_ON
        return self.ranks.agree(asked)


def _encode_and_train(job: TrainJob, run: Run, encoders: Encoders, host: _Host) -> Generator[Event, None, None]:
    split = split_for(job, run)
    photos = yield from _encode_together(job, run, split, encoders, host)
    if photos is None:
        yield Stopped(step=next(iter(state_steps(run.states_dir)), 0))
        return
    yield from naming_memory_errors(_train(job, run, split, photos, host), host.device)


def _train(job: TrainJob, run: Run, split: Split, photos: EncodedDataset, host: _Host) -> Generator[Event, None, None]:
    """Load the model, go back to the newest train state, make the steps that are missing, and let go of it all."""
    yield Preparing(stage="model", done=0, total=1)
    learned, held_out = divide(photos, split)
    plan = plan_session(job, learned, host.device, host.ranks)
    watch = LaneWatch(plan, host.device)
    yield from watch.begin(next(iter(state_steps(run.states_dir)), 0), steps_wanted(run, job))
    session = open_session(
        job, learned, host.device, host.ranks, held_out=held_out, plan=plan,
        attention_before=attention_of(read_record(run.run_dir)),
    )  # fmt: skip
    try:
        yield Preparing(stage="model", done=1, total=1)
        with host.ranks.first_goes_first():
            before, last_step = read_record(run.run_dir), steps_wanted(run, job)
            done = yield from resume(session, run)
            if host.ranks.is_first:  # not before everything that could be refused was accepted
                lane = lane_text(plan.lane, plan.num_blocks)
                write_record(run, job, host.today().isoformat(), done, lane, session.attention.as_plain())
        metadata = lora_metadata(read_record(run.run_dir) or {}, job.adapter)
        for warning in stretched_schedule(job.config, before, done + 1):
            yield Warned(message=warning)
        yield Started(
            first_step=done + 1,
            total_steps=job.config.total_steps,
            num_photos=len({photo.photo_index for photo in learned}),
            num_trained_modules=num_modules(session.lora),
        )
        yield from told_of_attention(session.attention)
        yield from told_of_compiling(session.compiler)
        judging = Judging(session, run, split, done, unix_s=host.unix_s)
        yield from judging.begin(done)
        yield from _steps(session, run, job, metadata, done, last_step, host, judging, watch)
    finally:
        session.forget()
        give_back(host.device)  # layers and their forward functions hold each other


def _steps(
    session: Session,
    run: Run,
    job: TrainJob,
    metadata: dict[str, str],
    done: int,
    last_step: int,
    host: _Host,
    judging: Judging,
    watch: LaneWatch,
) -> Generator[Event, None, None]:
    """Make the steps after `done`, saving on the way."""
    config, saved, durations_s = job.config, done, deque[float](maxlen=_STEPS_TIMED)
    kept = done if is_whole(run.checkpoint_path(done), thorough=False) else 0
    if kept < done and (done % config.save_every == 0 or done >= last_step):  # lost, but its train state is there
        yield from _checkpoint(session, run, job, done, metadata, host, saved, judging)
        kept = done
    while done < last_step:
        if (wanted := host.wants(done)) == _STOP:
            if done > saved:
                save_train_state(session, run, done)
            yield Stopped(step=done)
            return
        if wanted == _FINISH:
            break
        started_s = host.clock_s()
        numbers = yield from careful_step(train_step, session, run, done, saved)
        durations_s.append(host.clock_s() - started_s)
        done += 1
        yield from told_of_compiling(session.compiler)
        yield from watch.see(done, durations_s[-1], last_step - done)
        judging.see(done, numbers, durations_s[-1])
        used_bytes, peak_bytes = watch.memory()
        yield StepDone(
            step=done, total_steps=config.total_steps, loss=numbers.loss,
            learning_rate=learning_rate_of(session.optimizer), seconds_per_step=statistics.median(durations_s),
            phase=phase_of(done), used_bytes=used_bytes, peak_bytes=peak_bytes,
        )  # fmt: skip
        save_asked = host.control.take_save()
        if done < last_step and (save_asked or done % config.save_every == 0):
            yield from _checkpoint(session, run, job, done, metadata, host, saved, judging)
            saved = kept = done
    if kept < done:
        yield from _checkpoint(session, run, job, done, metadata, host, saved, judging)
    if done < config.total_steps and host.ranks.is_first:
        record_early_finish(run, job, done)
    host.ranks.wait()  # for the files that the first rank writes
    for note in finished_notes(run):
        yield Warned(message=note)
    yield Finished(checkpoints=collect(run, job))


def _checkpoint(
    session: Session,
    run: Run,
    job: TrainJob,
    step: int,
    metadata: dict[str, str],
    host: _Host,
    saved: int,
    judging: Judging,
) -> Iterator[Event]:
    """Save all that was learned, judge the weights, save the checkpoint, then draw with it.

    The train state comes first (`saved` is the step of the newest one), so that nothing after it can lose a step, and
    the LoRA file last, so that where there is one the rest was done too.
    """
    if saved < step:
        save_train_state(session, run, step)
    yield from judging.at_save(step)
    event = save_checkpoint(session, run, step, metadata)
    yield event
    if host.ranks.is_first:
        yield from draw_previews(job, run, event.checkpoint, session.transformer, host.previews, session.device)


def _encode_together(
    job: TrainJob, run: Run, split: Split, encoders: Encoders, host: _Host
) -> Generator[Event, None, EncodedDataset | None]:
    """The first rank encodes; the others find everything in the cache then. None on all if the host asked to stop."""
    photos = None
    if host.ranks.is_first:
        photos = yield from _encode(job, run, split, encoders, host.device, host.should_stop)
    if host.ranks.agree(int(photos is None)):
        return None
    return photos or (yield from _encode(job, run, split, encoders, host.device, should_stop=lambda: False))


def _encode(
    job: TrainJob, run: Run, split: Split, encoders: Encoders, device: torch.device, should_stop: Callable[[], bool]
) -> Generator[Event, None, EncodedDataset | None]:
    """Encode what the cache lacks and give the encoders' memory back; None if the host asked to stop."""
    plan, warnings = plan_encoding(split.used, job.config, encoders)
    for warning in (*check_optimizer(job.config), *split.warnings, *warnings):
        yield Warned(message=warning)
    for folder in (run.run_dir, run.cache_dir):
        remove_unfinished(folder)
    try:
        for event in fill_cache(plan, encoders, run.cache_dir, device):
            yield event
            if should_stop():
                return None
    finally:
        encoders.release()
    return read_encoded(plan, run.cache_dir, job.config)
