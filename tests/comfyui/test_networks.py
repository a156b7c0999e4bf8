"""LoRA, LoKr and DoRA files in ComfyUI's own loader compute what was trained, on all target modules, q, k, v alike."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.comfyui.fixtures import POCKET
from tests.comfyui.server import comfyui_path, comfyui_python
from tests.trainer.networks import KINDS, TARGETS, filled
from trainer.training.config import TrainConfig
from trainer.training.model.zimage import find_base_model, load_transformer
from trainer.training.network.lora import FILE_PREFIX, save_lora

pytestmark = pytest.mark.comfyui
CASES = {f"{kind}-{index}": (kind, targets) for kind in KINDS for index, targets in enumerate(TARGETS)}


def relative(difference: torch.Tensor, to: torch.Tensor) -> float:
    return float(difference.norm() / to.norm())


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A noisy latent, its sigma and text features, all random."""
    path = tmp_path_factory.mktemp("given") / "given.safetensors"
    generator = torch.Generator().manual_seed(5)
    config = json.loads((POCKET / "model/transformer/config.json").read_text(encoding="utf-8"))
    tensors = dict(
        noisy=torch.randn(1, 16, 8, 8, generator=generator),
        sigma=torch.tensor([0.6]),
        text=torch.randn(1, 11, config["cap_feat_dim"], generator=generator),
    )
    save_file(tensors, path)
    return path


@torch.no_grad()
def velocity(transformer: torch.nn.Module, given: Path) -> torch.Tensor:
    tensors = load_file(given)
    inputs = [tensors["noisy"][0][:, None]], 1 - tensors["sigma"], [tensors["text"][0]]
    return -transformer(*inputs, return_dict=False)[0][0][None, :, 0]


@pytest.fixture(scope="module")
def trained(given: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[torch.Tensor]]]:
    """A folder with a file per case, and what the trained module computes: by its masters, and by rounded ones."""
    folder, made = tmp_path_factory.mktemp("loras"), {}
    for name, (kind, targets) in CASES.items():
        transformer = load_transformer(find_base_model(POCKET / "model"), torch.float32, torch.device("cpu"))
        lora = filled(transformer, TrainConfig(**KINDS[kind], target_modules=targets))
        path = folder / f"{name}.safetensors"
        save_lora(path, lora, {}, transformer)
        made[name] = [velocity(transformer, given)]
        scale = 1 if kind == "lokr" else KINDS[kind]["linear_alpha"] / KINDS[kind]["linear_rank"]  # lokr: full rank
        file = load_file(path)
        with torch.no_grad():
            for key, master in lora.items():
                if "magnitude" in key:
                    continue
                carries = key.endswith(("lora_B.weight", "lokr_w1"))
                master.copy_(file[FILE_PREFIX + key].float() / (scale if carries else 1))
        made[name].append(velocity(transformer, given))
    return folder, made


def through_core(model: Path, given: Path, loras: Path, results: Path, *more: str) -> None:
    """Run core's loader on every file of a folder."""
    script = Path(__file__).with_name("load_networks.py")
    command = [comfyui_python(), script, comfyui_path(), model, given, loras, results, *more]
    ran = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert ran.returncode == 0, ran.stderr[-4000:]


@pytest.fixture(scope="module")
def results(pocket_files: Path, given: Path, trained: tuple, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    through_core(pocket_files / "pocket_z_image.safetensors", given, trained[0], folder)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_the_file_in_cores_loader_is_the_trained_module(results: Path, trained: tuple, name: str) -> None:
    with safe_open(results / f"{name}.safetensors", framework="pt") as file:
        made, said = file.get_tensor("velocity"), json.loads(file.metadata()["said"])
    plain = load_file(results / "plain.safetensors")["velocity"]
    by_masters, by_rounded = trained[1][name]
    assert said == [], "core left keys of the file alone"
    assert relative(by_masters - plain, plain) > 1e-2, "the LoRA is too weak to prove anything"
    assert relative(made - by_masters, by_masters) <= 1e-2
    assert relative(made - by_rounded, by_rounded) <= 1e-4


def test_in_half_precision_core_comes_near_enough(
    pocket_files: Path, given: Path, trained: tuple, tmp_path: Path
) -> None:
    """On most GPUs core merges in fp16; a DoRA multiplies whole rows by what that rounds."""
    through_core(pocket_files / "pocket_z_image.safetensors", given, trained[0], tmp_path, "half")
    for kind in KINDS:
        made = load_file(tmp_path / f"{kind}-0.safetensors")["velocity"]
        assert relative(made - trained[1][f"{kind}-0"][1], made) <= 1e-2, kind
