"""The loop: one run from its inputs to its checkpoints, told as a generator of events. Knows no host.

    for event in train(job, encoders, device=..., should_stop=...): ...

Read from top to bottom: `train` says what happens, the functions below it how.
"""

from __future__ import annotations

import datetime
import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..files import remove_unfinished
from ..messages import UserError, name_some
from .adapter import fuse_adapter
from .buckets import BatchOrder
from .config import TrainConfig
from .encode import EncodedDataset, EncodedPhoto, Encoders, fill_cache, plan_encoding, read_encoded
from .events import CheckpointSaved, Event, Finished, Preparing, Started, StepDone, Stopped, Warned
from .flow import add_noise, draw_sigma, named_generator, velocity_loss
from .lora import add_lora, save_lora
from .metadata import lora_metadata
from .optimizers import make_optimizer, optimizer_state, restore_optimizer
from .results import Checkpoint
from .runs import (
    Run,
    TrainJob,
    append_loss,
    check_identity,
    collect,
    describe_run,
    finished_run,
    keep_losses,
    prune_checkpoints,
    read_losses,
    write_record,
)
from .states import TrainState, newest_state, save_state, state_steps
from .zimage import load_transformer, predict_velocity

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel

MAX_GRAD_NORM = 1.0
_STEPS_TIMED = 20
_PHASES = ((1000, "initial"), (2000, "basic"), (3000, "usable"), (4000, "sweet_spot"), (math.inf, "overfitting"))
_DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(kw_only=True)
class _Session:
    """What lives in memory while a run trains."""

    config: TrainConfig
    transformer: ZImageTransformer2DModel
    lora: dict[str, torch.nn.Parameter]
    optimizer: torch.optim.Optimizer
    photos: EncodedDataset
    order: BatchOrder
    device: torch.device


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
    session = _open_session(job, photos, device)
    yield Preparing(stage="model", done=1, total=1)
    record = write_record(run, job, today().isoformat())  # not before everything that could be refused was accepted
    done = saved = _resume(session, run)
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
                _save_state(session, run, done)
            yield Stopped(step=done)
            return
        started_s = clock_s()
        loss = _train_step(session, done + 1)
        durations_s.append(clock_s() - started_s)
        done += 1
        append_loss(run, done, loss)
        yield StepDone(
            step=done, total_steps=config.total_steps, loss=loss,
            seconds_per_step=statistics.median(durations_s), phase=phase_of(done),
        )  # fmt: skip
        if done % config.save_every == 0 and done < config.total_steps:
            yield _save(session, run, done, metadata)
            saved = done
    yield _save(session, run, done, metadata)
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


def phase_of(step: int) -> str:
    """The message key of the guide's name for what a run of 4000 steps does at a step."""
    return "train.phase." + next(name for end, name in _PHASES if step <= end)


def _open_session(job: TrainJob, photos: EncodedDataset, device: torch.device) -> _Session:
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
    return _Session(
        config=config,
        transformer=transformer,
        lora=lora,
        optimizer=make_optimizer(config, list(lora.values())),
        photos=photos,
        order=BatchOrder([photo.bucket for photo in photos], config.batch_size, config.seed),
        device=device,
    )


def _resume(session: _Session, run: Run) -> int:
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


def _train_step(session: _Session, step: int) -> float:
    """One optimizer update; returns the loss. Raises UserError, the weights untouched, where a number is not finite."""
    photos = [session.photos[index] for index in session.order.batch_at(step)]
    loss = step_loss(session.transformer, photos, session.config, step, session.device)
    loss.backward()
    grad_norm = torch.nn.utils.clip_grad_norm_(session.lora.values(), MAX_GRAD_NORM)
    loss_value, norm_value = torch.stack([loss.detach(), grad_norm]).tolist()
    if not (math.isfinite(loss_value) and math.isfinite(norm_value)):
        session.optimizer.zero_grad(set_to_none=True)
        raise UserError("train.not_finite", step=step, names=name_some([photo.name for photo in photos]))
    session.optimizer.step()
    session.optimizer.zero_grad(set_to_none=True)
    return loss_value


def step_loss(
    transformer: ZImageTransformer2DModel,
    photos: list[EncodedPhoto],
    config: TrainConfig,
    step: int,
    device: torch.device,
) -> Tensor:
    """The loss of a batch of photos of one bucket, a scalar; noise and sigma depend on (seed, step, slot) alone."""
    latents_BCHW = torch.stack([photo.latents_CHW for photo in photos])
    noise, sigmas, weights = [], [], []
    for slot, photo in enumerate(photos):
        noise_generator = named_generator(config.seed, "noise", step, slot)
        noise.append(torch.randn(photo.latents_CHW.shape, generator=noise_generator))
        sigma, weight = draw_sigma(config.timestep_type, named_generator(config.seed, "sigma", step, slot))
        sigmas.append(sigma)
        weights.append(weight)
    noise_BCHW, sigma_B, weight_B = torch.stack(noise), torch.stack(sigmas), torch.stack(weights)
    noisy_BCHW = add_noise(latents_BCHW, noise_BCHW, sigma_B[:, None, None, None])
    # With bf16 the fp32 masters take part in bf16 arithmetic; with fp32 autocast does nothing.
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        predicted_BCHW = predict_velocity(
            transformer, noisy_BCHW.to(device), sigma_B.to(device), [photo.text.to(device) for photo in photos]
        )
    return velocity_loss(predicted_BCHW, latents_BCHW.to(device), noise_BCHW.to(device), weight_B.to(device))


def _save(session: _Session, run: Run, step: int, metadata: dict[str, str]) -> CheckpointSaved:
    """Write the LoRA file, then the train state; only then let older ones go."""
    path = run.checkpoint_path(step)
    save_lora(path, session.lora, {**metadata, "ss_steps": str(step)})
    _save_state(session, run, step)
    prune_checkpoints(run, session.config.checkpoints_to_keep)
    return CheckpointSaved(checkpoint=Checkpoint(step=step, path=path))


def _save_state(session: _Session, run: Run, step: int) -> None:
    optimizer = optimizer_state(session.optimizer, session.lora)
    save_state(run.states_dir, TrainState(step=step, lora=session.lora, optimizer=optimizer))
