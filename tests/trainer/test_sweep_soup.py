"""The mean of checkpoints: what it is of their weight changes, what it costs in rank, and what cannot be averaged."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, load_file, save_file

from tests.trainer.sweep_parts import make_checkpoints
from trainer.lora_files.names import DOWN, UP
from trainer.lora_files.read import read_lora, read_metadata
from trainer.lora_files.standard import standard_lora
from trainer.messages import UserError
from trainer.sweep.soup import SOUP_KEY, mean_of, with_soup
from trainer.training.keeping.checksums import is_whole
from trainer.training.keeping.results import SOUP_STEP

MODULES = ("layers.0.attention.to_q", "layers.1.feed_forward.w2")
OUT, IN = 24, 16


def lora(
    seed: int, rank: int = 4, alpha: float | None = None, modules: tuple[str, ...] = MODULES
) -> dict[str, torch.Tensor]:
    """A random LoRA's tensors under their standard names."""
    noise = torch.Generator().manual_seed(seed)
    tensors = {}
    for module in modules:
        tensors[f"diffusion_model.{module}.{DOWN}"] = torch.randn(rank, IN, generator=noise)
        tensors[f"diffusion_model.{module}.{UP}"] = torch.randn(OUT, rank, generator=noise)
        if alpha is not None:
            tensors[f"diffusion_model.{module}.alpha"] = torch.tensor(alpha)
    return tensors


def read(folder: Path, tensors: dict[str, torch.Tensor]):
    path = folder / "one.safetensors"
    save_file(tensors, path)
    return standard_lora(read_lora(path))


def change(parts) -> torch.Tensor:
    """What a module's LoRA does to its weight."""
    scale = float(parts["alpha"]) / parts[DOWN].shape[0] if "alpha" in parts else 1.0
    return scale * parts[UP].float() @ parts[DOWN].float()


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


def test_the_mean_is_that_of_the_weight_changes_as_far_as_the_rank_reaches_and_says_what_is_lost(tmp_path):
    loras = [read(tmp_path, lora(seed)) for seed in range(3)]
    mean, error = mean_of(loras)
    lost = whole = 0.0
    for module in MODULES:
        wanted = sum(change(one.modules[module]) for one in loras) / 3
        assert mean[module][DOWN].shape == (4, IN) and mean[module][UP].shape == (OUT, 4)
        nearest = torch.linalg.svd(wanted)
        best = nearest.U[:, :4] * nearest.S[:4] @ nearest.Vh[:4]
        assert distance(change(mean[module]), best) < 0.01, "no LoRA of that rank is nearer, but for bf16"
        lost += float((wanted - best).norm() ** 2)
        whole += float(wanted.norm() ** 2)
    assert error == pytest.approx((lost / whole) ** 0.5, rel=1e-3) and 0.2 < error < 0.9


def test_the_mean_is_exact_where_its_rank_is_no_higher_than_that_of_the_files(tmp_path):
    one = lora(0)
    same_A = {name: tensor * 3 if name.endswith(UP) else tensor for name, tensor in one.items()}
    mean, error = mean_of([read(tmp_path, one), read(tmp_path, same_A)])
    for module in MODULES:
        assert distance(change(mean[module]), 2 * change(read(tmp_path, one).modules[module])) < 0.01
    assert error < 1e-3


def test_equal_files_have_themselves_as_mean_and_order_does_not_matter(tmp_path):
    loras = [read(tmp_path, lora(seed)) for seed in (0, 0, 0)]
    mean, error = mean_of(loras)
    assert error < 1e-3
    assert all(distance(change(mean[module]), change(loras[0].modules[module])) < 0.01 for module in MODULES)
    different = [read(tmp_path, lora(seed)) for seed in range(3)]
    forwards, backwards = mean_of(different)[0], mean_of(different[::-1])[0]
    assert all(distance(change(forwards[module]), change(backwards[module])) < 0.01 for module in MODULES)


def test_alpha_and_different_ranks_are_counted(tmp_path):
    loras = [read(tmp_path, lora(0, rank=4, alpha=2.0)), read(tmp_path, lora(1, rank=8))]
    mean, _ = mean_of(loras)
    wanted = (change(loras[0].modules[MODULES[0]]) + change(loras[1].modules[MODULES[0]])) / 2
    assert mean[MODULES[0]][DOWN].shape[0] == 8 and set(mean[MODULES[0]]) == {DOWN, UP}
    nearest = torch.linalg.svd(wanted)
    assert distance(change(mean[MODULES[0]]), nearest.U[:, :8] * nearest.S[:8] @ nearest.Vh[:8]) < 0.01


@pytest.fixture
def checkpoints(tmp_path):
    """Four checkpoints with real files, in a run of subject and metadata."""
    made = make_checkpoints(tmp_path, (100, 200, 300, 400))
    for checkpoint in made.checkpoints:
        checkpoint.path.parent.mkdir(parents=True, exist_ok=True)
        save_file(
            lora(checkpoint.step), checkpoint.path, metadata={"modelspec.title": "mila", "zimage_lora.subject": "Mila"}
        )
    return made


def test_the_mean_of_the_last_is_one_more_file_that_says_what_it_is_of(checkpoints):
    mixed = with_soup(checkpoints, 3)
    soup = mixed.checkpoints[-1]
    assert mixed.checkpoints[:-1] == checkpoints.checkpoints and mixed.last_step == 400
    assert soup.step == SOUP_STEP and soup.soup_of == (200, 300, 400)
    metadata = read_metadata(soup.path)
    told = json.loads(metadata[SOUP_KEY])
    assert list(told["of"]) == ["200", "300", "400"] and 0 < told["relative_error"] < 1
    assert metadata["zimage_lora.subject"] == "Mila"
    assert mixed.choosing(SOUP_STEP).chosen == soup and checkpoints.chosen.step == 400


def test_it_is_made_once_and_anew_when_a_checkpoint_changes_or_its_file_is_damaged(checkpoints):
    path = with_soup(checkpoints, 2).checkpoints[-1].path
    before, data, stamp = load(path.read_bytes()), path.read_bytes(), path.stat().st_mtime_ns
    with_soup(checkpoints, 2)
    assert path.stat().st_mtime_ns == stamp
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with_soup(checkpoints, 2)
    assert is_whole(path, thorough=True) and all(before[name].equal(one) for name, one in load_file(path).items())
    save_file(lora(7), checkpoints.checkpoints[-1].path)
    with_soup(checkpoints, 2)
    assert not all(before[name].equal(one) for name, one in load_file(path).items())


@pytest.mark.parametrize("num", [0, 1])
def test_fewer_than_two_are_not_mixed(checkpoints, num):
    assert with_soup(checkpoints, num) == checkpoints
    assert (
        with_soup(dataclasses.replace(checkpoints, checkpoints=checkpoints.checkpoints[:1]), 3).checkpoints[0].step
        == 100
    )


def test_what_cannot_be_averaged_is_refused_by_name_and_nothing_is_written(checkpoints):
    first, last = checkpoints.checkpoints[-2:]
    name = f"diffusion_model.{MODULES[0]}"
    for tensors, key in (
        ({**lora(1), f"{name}.dora_scale": torch.ones(OUT, 1)}, "sweep.soup_not_plain"),
        ({f"{name}.lokr_w1": torch.ones(4, 4), f"{name}.lokr_w2": torch.ones(6, 4)}, "sweep.soup_not_plain"),
        (lora(1, modules=MODULES[:1]), "sweep.soup_other_modules"),
    ):
        save_file(tensors, last.path)
        with pytest.raises(UserError) as refused:
            with_soup(checkpoints, 2)
        assert refused.value.message.key == key and last.path.name in str(refused.value.message.values)
        assert not list(last.path.parent.glob("*soup*"))
    last.path.unlink()
    with pytest.raises(UserError, match="no longer in"):
        with_soup(checkpoints, 2)
    assert load_file(first.path)
