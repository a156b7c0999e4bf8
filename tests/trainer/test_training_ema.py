"""EMA: the average that checkpoints show, what it is made of, and that looking at it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.conftest import losses_of
from trainer.messages import UserError
from trainer.training.config import TrainConfig
from trainer.training.keeping.runs import TrainJob
from trainer.training.keeping.states import TrainState, find_state
from trainer.training.update.ema import Ema, showing
from trainer.training.update.flow import named_generator

Weights = dict[str, torch.Tensor]


def walk(num_steps: int) -> list[Weights]:
    """Weights that wander about, one set per step."""
    generator = named_generator(0, "walk")
    steps_SN = torch.randn(num_steps, 5, generator=generator).cumsum(dim=0)
    return [{"a": row[:3], "b": row[3:]} for row in steps_SN]


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.9999])
def test_the_average_is_that_of_its_definition(decay: float) -> None:
    start, *later = walk(40)
    ema = Ema(decay, start)
    expected = {name: weight.double() for name, weight in start.items()}
    for step, weights in enumerate(later, start=1):
        ema.update(weights, step)
        keep = min(decay, (1 + step) / (10 + step))
        expected = {name: keep * mean + (1 - keep) * weights[name].double() for name, mean in expected.items()}
    for name, mean in expected.items():
        torch.testing.assert_close(ema.average[name].double(), mean, rtol=1e-5, atol=1e-6)


def test_weights_that_stand_still_are_their_own_average_and_the_average_is_a_copy() -> None:
    (weights,) = walk(1)
    ema = Ema(0.9, weights)
    for step in range(1, 20):
        ema.update(weights, step)
    assert all(torch.equal(ema.average[name], weight) for name, weight in weights.items())
    weights["a"].add_(1)
    assert not torch.equal(ema.average["a"], weights["a"])


def test_early_checkpoints_are_not_mostly_the_empty_start() -> None:
    """A LoRA's B starts at zero; after 100 steps at one value a decay of 0.9999 alone would show 1 % of it."""
    ema = Ema(0.9999, {"b": torch.zeros(1)})
    for step in range(1, 101):
        ema.update({"b": torch.ones(1)}, step)
    assert ema.average["b"].item() > 0.99


def test_shown_weights_are_there_inside_and_the_trained_ones_afterwards_bit_for_bit() -> None:
    trained, shown = walk(2)
    parameters = {name: torch.nn.Parameter(weight.clone()) for name, weight in trained.items()}
    with pytest.raises(RuntimeError), showing(parameters, shown):
        assert all(torch.equal(parameters[name], weight) for name, weight in shown.items())
        raise RuntimeError("while looking")
    assert all(torch.equal(parameters[name], weight) for name, weight in trained.items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in parameters.values())


def state_of(job: TrainJob) -> TrainState:
    state = find_state(job.runs_dir / job.run_name / "state")[0]
    assert state
    return state


def saved_lora(job: TrainJob, step: int) -> Weights:
    path: Path = job.loras_dir / job.run_name / f"{job.run_name}_{step:09d}.safetensors"
    return {name.removeprefix("diffusion_model."): tensor for name, tensor in load_file(path).items()}


def test_files_hold_the_average_states_both_and_the_losses_are_those_without_it(
    make_job: Callable, run_through: Callable
) -> None:
    job = make_job(run_name="ema", ema_decay=0.8)
    losses = losses_of(run_through(job))
    state, file = state_of(job), saved_lora(job, 6)
    assert state.ema.keys() == state.lora.keys() == file.keys()
    for name, average in state.ema.items():
        assert torch.equal(file[name], average.bfloat16()), name
        assert not torch.equal(average, state.lora[name]), name
    plain = make_job(run_name="plain")
    assert losses_of(run_through(plain)) == losses, "the average follows the training and never leads it"
    without = state_of(plain)
    assert without.ema == {} and all(torch.equal(without.lora[name], state.lora[name]) for name in state.lora)


def test_the_average_survives_stopping_bit_for_bit(make_job: Callable, run_through: Callable) -> None:
    whole, parts = (make_job(run_name=name, ema_decay=0.9) for name in ("whole", "parts"))
    losses = losses_of(run_through(whole))
    resumed = losses_of(run_through(parts, stop_after=2)) | losses_of(run_through(parts, stop_after=4))
    assert resumed | losses_of(run_through(parts)) == losses
    assert all(torch.equal(state_of(parts).ema[name], average) for name, average in state_of(whole).ema.items())
    for step in (3, 6):
        ours, theirs = saved_lora(parts, step), saved_lora(whole, step)
        assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def test_averaging_what_averages_itself_is_refused() -> None:
    with pytest.raises(UserError, match="ema_decay to 0"):
        TrainConfig(optimizer="schedule-free", ema_decay=0.99)
