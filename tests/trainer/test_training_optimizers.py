"""Optimizers: every one learns, stops and goes on to the same bits; what is odd about a choice is said."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.conftest import CountingEncoders, losses_of
from trainer.messages import UserError, sentence
from trainer.training.config import TrainConfig
from trainer.training.keeping.runs import TrainJob
from trainer.training.keeping.states import TrainState, find_state
from trainer.training.telling.events import Warned
from trainer.training.update.flow import named_generator
from trainer.training.update.optimizers import (
    check_optimizer,
    evaluation_weights,
    learning_rate_of,
    make_optimizer,
    optimizer_state,
    restore_optimizer,
    set_learning_rate,
)

RATES = {
    "adam8bit": 2e-3, "adamw": 2e-3, "prodigy": 1.0, "adafactor": 2e-3, "lion8bit": 1e-4, "schedule-free": 5e-3,
}  # fmt: skip
Weights = dict[str, torch.Tensor]


def settings(optimizer: str, **others: Any) -> dict[str, Any]:
    return dict(optimizer=optimizer, learning_rate=RATES[optimizer], **others)


class Slope:
    """A matrix to be moved onto another, with gradients that are noisy in the same way each time; 8192 numbers each."""

    def __init__(self, **chosen: Any) -> None:
        generator = named_generator(0, "slope")
        self.goal, start = torch.randn(2, 64, 128, generator=generator)
        self.parameters = {"a": torch.nn.Parameter(start.clone()), "b": torch.nn.Parameter(torch.zeros(64, 128))}
        self.optimizer = make_optimizer(TrainConfig(**chosen), list(self.parameters.values()))

    def distance(self, weights: Weights) -> float:
        return sum((weight.detach() - self.goal).norm().item() for weight in weights.values())

    def step(self, step: int, rate: float | None = None) -> None:
        for name, parameter in self.parameters.items():
            noise = torch.randn(parameter.shape, generator=named_generator(1, name, step))
            parameter.grad = (parameter.detach() - self.goal + 0.1 * noise) / 64
        if rate is not None:
            set_learning_rate(self.optimizer, rate)
        self.optimizer.step()

    def state(self) -> tuple[Weights, tuple[Weights, dict[str, float]]]:
        weights = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        return weights, optimizer_state(self.optimizer, self.parameters)


@pytest.mark.parametrize("optimizer", RATES)
def test_every_optimizer_goes_towards_the_goal_also_from_zero(optimizer: str) -> None:
    slope = Slope(**settings(optimizer) | dict(learning_rate=1.0 if optimizer == "prodigy" else 1e-2))
    before = {name: slope.distance({name: weight}) for name, weight in slope.parameters.items()}
    for step in range(120):
        slope.step(step)
    for name, weight in evaluation_weights(slope.optimizer, slope.parameters).items():
        assert slope.distance({name: weight}) < 0.75 * before[name], name


@pytest.mark.parametrize("optimizer", RATES)
def test_state_that_went_through_a_copy_goes_on_to_the_same_bits(optimizer: str) -> None:
    """At rates that change every step, as under a schedule; a fresh optimizer knows nothing of what was before."""
    whole = Slope(**settings(optimizer))
    for step in range(8):
        whole.step(step, RATES[optimizer] * (1 + step))
    weights, state = whole.state()
    fresh = Slope(**settings(optimizer))
    with torch.no_grad():
        for name, parameter in fresh.parameters.items():
            parameter.copy_(weights[name])
    restore_optimizer(fresh.optimizer, fresh.parameters, state)
    assert_equal(fresh.state(), whole.state())
    for step in range(8, 12):
        for slope in (whole, fresh):
            slope.step(step, RATES[optimizer] / (1 + step))
    assert_equal(fresh.state(), whole.state())


def assert_equal(ours: Any, theirs: Any) -> None:
    (our_weights, (our_tensors, our_numbers)), (weights, (tensors, numbers)) = ours, theirs
    assert our_numbers == numbers and our_tensors.keys() == tensors.keys()
    assert {name: type(value) for name, value in our_numbers.items()} == {
        name: type(value) for name, value in numbers.items()
    }
    for ours_by_name, theirs_by_name in ((our_weights, weights), (our_tensors, tensors)):
        assert all(torch.equal(ours_by_name[name], tensor) for name, tensor in theirs_by_name.items())


def state_of(job: TrainJob) -> TrainState:
    state = find_state(job.runs_dir / job.run_name / "state")[0]
    assert state
    return state


@pytest.mark.parametrize("optimizer", RATES)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(
    make_job: Callable, run_through: Callable, optimizer: str
) -> None:
    """With a schedule and two photos a step. 8-bit state begins at 4096 numbers, which rank 32 reaches here."""
    chosen = settings(
        optimizer, linear_rank=32, total_steps=6, save_every=3, lr_schedule="cosine", warmup_steps=1,
        gradient_accumulation=2,
    )  # fmt: skip
    whole, parts = (make_job(run_name=name, **chosen) for name in ("whole", "parts"))
    losses = losses_of(run_through(whole))
    resumed = losses_of(run_through(parts, stop_after=2)) | losses_of(run_through(parts, stop_after=4))
    assert resumed | losses_of(run_through(parts)) == losses and len(losses) == 6
    ours, theirs = state_of(parts), state_of(whole)
    assert_equal((ours.lora, ours.optimizer), (theirs.lora, theirs.optimizer))
    eight_bit = any(tensor.dtype == torch.uint8 for tensor in theirs.optimizer[0].values())
    assert eight_bit == (optimizer in ("adam8bit", "lion8bit"))
    for step in (3, 6):
        name = "/".join(("{0}", f"{{0}}_{step:09d}.safetensors"))
        ours_file, theirs_file = (load_file(job.loras_dir / name.format(job.run_name)) for job in (parts, whole))
        assert all(torch.equal(ours_file[key], tensor) for key, tensor in theirs_file.items())


def test_prodigys_own_rate_grows_and_is_part_of_the_state() -> None:
    """The state tests above would be worth little with a rate that never left its start."""
    slope = Slope(**settings("prodigy"))
    for step in range(8):
        slope.step(step, 1.0 + step)
    numbers = slope.state()[1][1]
    assert numbers["group 0|d"] > 1e-5 and numbers["group 0|d_max"] > 1e-5 and numbers["group 0|k"] == 8
    assert learning_rate_of(slope.optimizer) == numbers["group 0|d"] * slope.optimizer.param_groups[0]["lr"]
    assert numbers["group 0|d_numerator"] != 0


def test_schedule_free_saves_its_average_trains_on_and_looking_changes_nothing(
    make_job: Callable, run_through: Callable
) -> None:
    often = make_job(run_name="often", **settings("schedule-free"), save_every=1)
    seldom = make_job(run_name="seldom", **settings("schedule-free"), save_every=100)
    assert losses_of(run_through(often)) == losses_of(run_through(seldom))
    state = state_of(seldom)
    assert_equal((state.lora, state.optimizer), (state_of(often).lora, state_of(often).optimizer))
    file = load_file(seldom.loras_dir / "seldom" / "seldom_000000006.safetensors")
    for name, trained in state.lora.items():
        z = state.optimizer[0][f"{name}|z"]
        average = (trained - 0.1 * z) / 0.9  # the trained weights lie a tenth of the way from the average to z
        saved = file[f"diffusion_model.{name}"]
        torch.testing.assert_close(saved.float(), average, rtol=2**-7, atol=1e-6)
        assert not torch.equal(saved, trained.bfloat16()) or not trained.any(), name


@pytest.mark.parametrize(("optimizer", "module"), [("prodigy", "prodigyopt"), ("schedule-free", "schedulefree")])
def test_a_missing_package_is_named_with_its_command_before_anything_is_encoded(
    make_job: Callable, run_through: Callable, encoders: CountingEncoders, monkeypatch: pytest.MonkeyPatch,
    optimizer: str, module: str,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, module, None)  # what Python itself keeps of a package that is not there
    with pytest.raises(UserError) as caught:
        run_through(make_job(**settings(optimizer)))
    for language in ("en", "zh"):
        text = sentence(caught.value.message, language)
        assert f'"{sys.executable}" -m pip install {module}' in text and optimizer in text
    assert encoders.num_encoded == 0


@pytest.mark.parametrize("optimizer", ["adam8bit", "lion8bit"])
def test_missing_bitsandbytes_is_said_by_the_optimizers_name(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes.functional", None)
    with pytest.raises(UserError, match=f"{optimizer} needs bitsandbytes"):
        check_optimizer(TrainConfig(optimizer=optimizer))


@pytest.mark.parametrize(
    ("optimizer", "sensible", "odd"),
    [
        ("adam8bit", 2e-4, 0.5), ("adamw", 1e-4, 1.0), ("adafactor", 2e-4, 0.1), ("schedule-free", 5e-4, 1e-7),
        ("lion8bit", 5e-5, 2e-4), ("prodigy", 1.0, 2e-4),
    ],
)  # fmt: skip
def test_a_rate_that_was_meant_for_another_optimizer_is_warned_of(optimizer: str, sensible: float, odd: float) -> None:
    assert check_optimizer(TrainConfig(optimizer=optimizer, learning_rate=sensible)) == ()
    (warning,) = check_optimizer(TrainConfig(optimizer=optimizer, learning_rate=odd))
    assert optimizer in sentence(warning, "en") and f"{odd:g}" in sentence(warning, "zh")


def test_warnings_come_through_the_run_and_a_schedule_for_schedule_free_is_one(
    make_job: Callable, run_through: Callable
) -> None:
    job = make_job(optimizer="schedule-free", lr_schedule="linear", learning_rate=0.5, total_steps=1)
    keys = [event.message.key for event in run_through(job) if isinstance(event, Warned)]
    keys.remove("train.photos_small")  # these pictures are
    assert keys == ["train.rate_unusual", "train.schedule_twice"]


def test_the_default_rate_is_sensible_for_the_default_optimizer() -> None:
    assert check_optimizer(TrainConfig()) == ()
