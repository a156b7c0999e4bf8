"""Target modules: the choices and regular expressions that say which layers learn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import CPU
from tests.trainer.test_training_loading import full_size_header
from trainer.messages import UserError
from trainer.training.config import TrainConfig
from trainer.training.model.zimage import find_base_model, load_transformer, single_file_config
from trainer.training.network.lora import add_lora
from trainer.training.network.targets import linear_names, target_names


def test_the_names_of_the_full_size_models_linear_layers_are_known_without_it() -> None:
    from diffusers import ZImageTransformer2DModel

    with torch.device("meta"):
        transformer = ZImageTransformer2DModel.from_config(single_file_config(full_size_header(), Path("x")))
    linears = {name for name, module in transformer.named_modules() if isinstance(module, torch.nn.Linear)}
    assert linears == set(linear_names())


@pytest.mark.parametrize(
    ("choice", "num"),
    [("all", 240), ("attention", 120), ("attention+mlp", 210), (r"^layers\.(1\d|2\d)\.", 160), ("refiner", 30)],
)
def test_each_choice_of_targets_means_its_modules(choice: str, num: int) -> None:
    chosen = target_names(choice, linear_names())
    assert len(chosen) == len(set(chosen)) == num


@pytest.mark.parametrize(
    ("choice", "key"),
    [("layers.(", "targets_bad"), ("*", "targets_bad"), ("atention", "targets_none"), ("  ", "targets_none"),
     (r"layers\.30\.", "targets_none"), ("", "targets_none")],
)  # fmt: skip
def test_targets_that_can_never_match_are_refused_with_the_setting(choice: str, key: str) -> None:
    with pytest.raises(UserError) as caught:
        TrainConfig(target_modules=choice)
    assert caught.value.message.key == f"train.{key}" and caught.value.message.values["value"] == choice


def test_targets_that_this_model_lacks_are_refused(tiny_dir: Path) -> None:
    with pytest.raises(UserError) as caught:
        transformer = load_transformer(find_base_model(tiny_dir), torch.float32, CPU)
        add_lora(transformer, TrainConfig(target_modules=r"layers\.29\."), torch.Generator())
    assert caught.value.message.key == "train.targets_none"
