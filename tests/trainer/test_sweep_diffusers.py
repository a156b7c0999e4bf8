"""Cells rendered outside ComfyUI: the same cell gives the same picture, and a LoRA leaves nothing behind."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.trainer.lora_damages import DAMAGES
from trainer.messages import UserError
from trainer.sweep.cells import Cell, SweepConfig
from trainer.sweep.diffusers_render import DiffusersRenderer
from trainer.training.config import TrainConfig
from trainer.training.model.zimage import find_base_model, load_transformer
from trainer.training.network.lora import add_lora, save_lora

CONFIG = SweepConfig(steps=2, sampler="euler", width_px=64, height_px=96)
PROMPT = "a photo of Mila, beach"
CPU = torch.device("cpu")


def make_renderer(source, config=CONFIG):
    return DiffusersRenderer(source, source, config, prompts=(PROMPT,), device=CPU, dtype=torch.float32)


@pytest.fixture(scope="module")
def renderer(tiny_dir):
    return make_renderer(tiny_dir)


@pytest.fixture(scope="module")
def lora_path(tiny_dir, tmp_path_factory):
    """A LoRA that changes much, in the file that training writes."""
    transformer = load_transformer(find_base_model(tiny_dir), torch.float32, CPU)
    generator = torch.Generator().manual_seed(1)
    lora = add_lora(transformer, TrainConfig(linear_rank=4), generator)
    for name, parameter in lora.items():
        if "lora_B" in name:
            parameter.data.normal_(std=0.5, generator=generator)
    path = tmp_path_factory.mktemp("loras") / "mila_000000300.safetensors"
    save_lora(path, lora, {}, transformer)
    return path


def cell(lora_path=None, strength=1.0, seed=1):
    step = 300 if lora_path else 0
    return Cell(step=step, strength=strength if lora_path else 0.0, prompt=PROMPT, seed=seed, lora_path=lora_path)


def pixels(image):
    return np.asarray(image, dtype=np.int16)


def test_the_same_cell_gives_the_same_picture_and_another_seed_another(renderer):
    one, same, other = (pixels(renderer.render(cell(seed=seed))) for seed in (1, 1, 2))
    assert one.shape == (96, 64, 3)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_lora_changes_the_picture_and_leaves_nothing_behind(renderer, lora_path, tmp_path):
    before = pixels(renderer.render(cell()))
    with_lora = pixels(renderer.render(cell(lora_path)))
    moved = tmp_path / "other.safetensors"
    moved.write_bytes(lora_path.read_bytes())
    with_another = pixels(renderer.render(cell(moved)))
    after = pixels(renderer.render(cell()))
    assert np.abs(with_lora - before).mean() > 1
    assert np.array_equal(with_another, with_lora)
    assert np.array_equal(after, before)


def test_strength_scales_the_lora_and_at_0_it_changes_nothing(renderer, lora_path):
    untrained, none, some, whole = (
        pixels(renderer.render(cell(path, strength)))
        for path, strength in ((None, 0.0), (lora_path, 0.0), (lora_path, 0.3), (lora_path, 1.0))
    )
    assert np.abs(none - untrained).max() <= 1
    assert np.abs(some - whole).mean() > 0.1 and np.abs(some - untrained).mean() > 0.1


def test_the_global_generator_decides_nothing_and_is_left_alone(renderer):
    torch.manual_seed(1)
    one = pixels(renderer.render(cell()))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert np.array_equal(pixels(renderer.render(cell())), one)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_changed_base_model_has_another_identity_and_loading_is_put_off(tiny_dir, pocket_dir):
    tiny, again, pocket = make_renderer(tiny_dir), make_renderer(tiny_dir), make_renderer(pocket_dir)
    assert tiny.identity == again.identity != pocket.identity
    assert not {"_pipeline", "_text_features"} & vars(tiny).keys()


def test_a_sampler_that_diffusers_does_not_have_is_refused(tiny_dir):
    with pytest.raises(UserError) as refused:
        make_renderer(tiny_dir, dataclasses.replace(CONFIG, sampler="res_multistep"))
    assert refused.value.message.key == "sweep.no_such_sampler"


def test_a_picture_of_no_numbers_is_no_picture(tiny_dir, tmp_path):
    broken = shutil.copytree(tiny_dir, tmp_path / "broken")
    (weights,) = (broken / "vae").glob("*.safetensors")
    tensors = load_file(weights)
    tensors["decoder.conv_out.bias"].fill_(float("nan"))
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(UserError, match="untrained") as refused:
        make_renderer(broken).render(cell())
    assert refused.value.message.key == "sweep.not_finite"


DAMAGED = {
    **DAMAGES,
    "sweep.lora_other_model": lambda path: save_file(
        {name.replace("layers.1.", "layers.7."): one for name, one in load_file(path).items()}, path
    ),
}


@pytest.mark.parametrize("key", DAMAGED)
def test_a_lora_file_that_does_not_fit_is_refused_by_name_and_leaves_nothing_behind(renderer, lora_path, tmp_path, key):
    before = pixels(renderer.render(cell()))
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(lora_path.read_bytes())
    DAMAGED[key](bad)
    with pytest.raises(UserError, match=r"bad\.safetensors") as refused:
        renderer.render(cell(bad))
    assert refused.value.message.key == key
    assert np.array_equal(pixels(renderer.render(cell())), before)
