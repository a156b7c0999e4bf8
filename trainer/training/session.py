"""A session: what lives in memory while a run trains, and how it goes to disk and comes back. Makes no step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..memory.attention import Attention, attention_shape, choose_attention
from ..memory.compiled import Compiler, CompileWish, cache_dir_in
from ..memory.costs import ModelShape
from ..memory.fitting import DTYPES, fit_weights, install_lane, loading_device, plan_training
from ..memory.lanes import Lane
from ..memory.planner import Plan
from ..messages import Message, UserError
from .config import TrainConfig
from .data.buckets import BatchOrder
from .data.encode import EncodedDataset
from .data.resident import resident, resident_bytes
from .keeping.disk import numbers_learned
from .keeping.history import keep_until
from .keeping.record import check_identity
from .keeping.repair import set_aside_damaged
from .keeping.results import Checkpoint
from .keeping.runs import Run, TrainJob, prune_checkpoints
from .keeping.states import TrainState, find_state, save_state
from .model.adapter import fuse_adapter
from .model.zimage import BaseModel, load_transformer, transformer_config
from .network.lora import add_lora, row_norms, save_lora
from .ranks import ALONE, Ranks
from .telling.events import CheckpointSaved, Warned
from .update.ema import Ema
from .update.flow import named_generator
from .update.optimizers import evaluation_weights, make_optimizer, optimizer_state, restore_optimizer

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel


@dataclass(kw_only=True)
class Session:
    """What lives in memory while a run trains."""

    config: TrainConfig
    transformer: ZImageTransformer2DModel
    lora: dict[str, torch.nn.Parameter]
    optimizer: torch.optim.Optimizer
    ema: Ema | None
    photos: EncodedDataset
    held_out: EncodedDataset
    """Photos that are never learned from: what checkpoints are judged by. Empty without validation."""
    order: BatchOrder
    device: torch.device
    plan: Plan
    """The lane it trains in, and what that was expected to take."""
    compiler: Compiler
    """Runs the blocks compiled where that is wanted and works."""
    attention: Attention = Attention()
    """Which of torch's attention kernels come first."""
    ranks: Ranks = ALONE

    def forget(self) -> None:
        """Let go of everything: an error's traceback may hold the session long after its memory is wanted elsewhere."""
        self.__dict__.clear()


def plan_session(
    job: TrainJob,
    photos: EncodedDataset,
    device: torch.device,
    ranks: Ranks = ALONE,
    shape: Mapping[str, Any] | None = None,
) -> Plan:
    """The lane for a training on what the device has free now; the first rank's on all, so that all learn from one
    model. `shape` are diffusers' arguments of the transformer, read off the base model's files where they are not
    given. To be asked once the text encoder and VAE have left the device."""
    shape = shape or transformer_config(job.base)
    dtype = DTYPES[job.config.precision]
    plan = plan_training(
        job.config, photos, ModelShape.of(shape), numbers_learned(shape, job.config), device,
        photo_bytes=resident_bytes(photos, device, dtype),
    )  # fmt: skip
    return dataclasses.replace(plan, lane=Lane.of([ranks.agree(number) for number in plan.lane.numbers]))


def open_session(
    job: TrainJob,
    photos: EncodedDataset,
    device: torch.device,
    ranks: Ranks = ALONE,
    held_out: EncodedDataset = (),
    load: Callable[[BaseModel, torch.dtype, torch.device], ZImageTransformer2DModel] = load_transformer,
    plan: Plan | None = None,
    attention_before: Mapping[str, Any] | None = None,
) -> Session:
    """Load the transformer, fuse the adapter, bring it into its lane, put the LoRA on, make the optimizer.

    `load` says where the weights come from: bench/ measures with some that no file holds. Without a `plan` one is made.
    `attention_before` is what the run's record says of the attention of its last steps.
    """
    config = job.config
    plan = plan or plan_session(job, photos, device, ranks)
    transformer = load(job.base, DTYPES[config.precision], loading_device(plan.lane, device))
    untouched_norms = row_norms(transformer, config)
    if job.adapter:
        fuse_adapter(transformer, job.adapter)
    text_width = transformer.config["cap_feat_dim"]
    if photos[0].text.shape[1] != text_width:
        raise UserError("train.other_text_encoder", width=photos[0].text.shape[1], expected=text_width)
    fit_weights(transformer, plan.lane, device)  # after the adapter was fused: sums of packed weights would be coarse
    lora = add_lora(transformer, config, named_generator(config.seed, "lora"), untouched_norms)
    transformer.train()
    measured = attention_shape(config, photos, transformer.config)
    attention = choose_attention(measured, device, attention_before or {}).agreed(ranks.agree)
    wish = CompileWish(
        choice=config.compile, precision=config.precision,
        expected_s=config.total_steps * plan.seconds_per_step, is_alone=ranks.count == 1,
        cache_dir=cache_dir_in(job.runs_dir),
    )  # fmt: skip
    compiler = Compiler(wish, plan.lane, plan.num_blocks, device)
    install_lane(transformer, lora, plan.lane, device, compiler)
    return Session(
        config=config,
        transformer=transformer,
        lora=lora,
        optimizer=make_optimizer(config, list(lora.values())),
        ema=Ema(config.ema_decay, lora) if config.ema_decay else None,
        photos=resident(photos, device, transformer.dtype),
        held_out=held_out,
        order=BatchOrder([photo.bucket for photo in photos], job.photos_per_step, config.seed),
        device=device,
        plan=plan,
        compiler=compiler,
        attention=attention,
        ranks=ranks,
    )


def resume(session: Session, run: Run) -> Generator[Warned, None, int]:
    """Go back to the newest whole train state, if there is one; returns the number of steps that are done.

    Yields a warning for each thing that is found damaged, and what is done about it.
    """
    check_identity(run)
    state, damaged = find_state(run.states_dir)
    done = 0
    if damaged:
        names = ", ".join(f"step-{step}" for step in damaged)
        values = {"names": names, "path": run.states_dir, "step": state.step if state else 0}
        yield Warned(message=Message("train.state_damaged", values))
    for message in set_aside_damaged(run):
        yield Warned(message=message)
    if state:
        with torch.no_grad():
            for name, parameter in session.lora.items():
                parameter.copy_(state.lora[name])
        restore_optimizer(session.optimizer, session.lora, state.optimizer)
        if session.ema:
            session.ema.restore(state.ema)
        done = state.step
    if session.ranks.is_first:
        keep_until(run.run_dir, done)
    return done


def save_checkpoint(session: Session, run: Run, step: int, metadata: dict[str, str]) -> CheckpointSaved:
    """Write the LoRA file of a step whose train state is on disk already; only then let older files go."""
    path = run.checkpoint_path(step)
    if not session.ranks.is_first:
        return CheckpointSaved(checkpoint=Checkpoint(step=step, path=path))
    save_lora(path, shown_weights(session), {**metadata, "ss_steps": str(step)}, session.transformer)
    prune_checkpoints(run, step, session.config.checkpoints_to_keep)
    return CheckpointSaved(checkpoint=Checkpoint(step=step, path=path))


def save_train_state(session: Session, run: Run, step: int) -> None:
    """Write the train state; all ranks hold the same one, so the first does it for all."""
    if not session.ranks.is_first:
        return
    optimizer = optimizer_state(session.optimizer, session.lora)
    average = session.ema.average if session.ema else {}
    save_state(run.states_dir, TrainState(step=step, lora=session.lora, optimizer=optimizer, ema=average))


def shown_weights(session: Session) -> dict[str, Tensor]:
    """The weights that checkpoints hold and that previews and validation look at.

    The EMA's where there is one, schedule-free's averaged weights, else the trained weights themselves.
    """
    if session.ema:
        return dict(session.ema.average)
    return evaluation_weights(session.optimizer, session.lora)
