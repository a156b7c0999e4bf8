"""The plan of a sweep: which cells there are, and in which order."""

import dataclasses
import itertools

import pytest

from tests.trainer.sweep_parts import make_checkpoints
from trainer.messages import UserError
from trainer.sweep.cells import SweepConfig, plan_cells


def test_every_checkpoint_strength_prompt_and_seed_is_one_cell(tmp_path):
    config = SweepConfig(strengths=(0.7, 1.0), num_seeds=3)
    cells = plan_cells(make_checkpoints(tmp_path, (100, 200)), config)
    assert len(cells) == (1 + 2 * 2) * (len(config.prompts) + 1) * 3
    assert len(set(cells)) == len(cells)


def test_the_untrained_row_comes_first_and_has_no_lora(tmp_path):
    cells = plan_cells(make_checkpoints(tmp_path, (100,)), SweepConfig())
    assert [cell.step for cell in cells] == sorted(cell.step for cell in cells)
    assert {(cell.lora_path, cell.strength) for cell in cells if cell.step == 0} == {(None, 0.0)}


def test_each_patched_model_is_needed_in_one_stretch(tmp_path):
    cells = plan_cells(make_checkpoints(tmp_path, (100, 200, 300)), SweepConfig(strengths=(0.7, 0.8)))
    stretches = [key for key, _ in itertools.groupby(cells, key=lambda cell: (cell.lora_path, cell.strength))]
    assert len(stretches) == len(set(stretches)) == 1 + 3 * 2


def test_untrained_cells_do_not_depend_on_strength(tmp_path):
    checkpoints = make_checkpoints(tmp_path, (100,))
    one, two = (plan_cells(checkpoints, SweepConfig(strengths=strengths)) for strengths in ((0.7,), (1.0, 0.8)))
    assert [cell for cell in one if cell.step == 0] == [cell for cell in two if cell.step == 0]


def test_prompts_name_the_person_and_carry_the_trigger_word_as_captions_do(tmp_path):
    checkpoints = make_checkpoints(tmp_path, (100,), trigger_word="ohwx")
    prompts = ("a photo of [subject]", "[trigger] as a knight", "a photo of a person", "  ", "a photo of Mila")
    cells = plan_cells(checkpoints, SweepConfig(prompts=prompts, canary="", num_seeds=1))
    spoken = [cell.prompt for cell in cells if cell.step == 0]
    assert spoken == ["ohwx a photo of Mila", "ohwx as a knight", "a photo of a person"]


def test_the_canary_is_the_last_of_every_row_and_once_even_if_it_is_a_prompt_too(tmp_path):
    checkpoints = make_checkpoints(tmp_path, (100,), trigger_word="ohwx")
    prompts = ("a photo of [subject]", "a photo of a person")
    cells = plan_cells(checkpoints, SweepConfig(prompts=prompts, num_seeds=1))
    spoken = [("ohwx a photo of Mila", False), ("a photo of a person", True)]
    assert [(cell.prompt, cell.is_canary) for cell in cells] == spoken * 2


def test_the_guides_three_example_prompts_are_the_default():
    examples = ("studio lighting", "school uniform, outdoor setting", "wearing elegant evening dress, at gala event")
    assert all(any(prompt.endswith(example) for prompt in SweepConfig().prompts) for example in examples)
    assert "a photo of [subject]" in SweepConfig().prompts


def test_seeds_stay_within_64_bits():
    assert SweepConfig(seed=2**63 - 1, num_seeds=2).seeds == (2**63 - 1, 0)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"prompts": ()}, "sweep.no_prompts"),
        ({"prompts": (" ",)}, "sweep.no_prompts"),
        ({"strengths": ()}, "sweep.bad_strengths"),
        ({"strengths": (float("nan"),)}, "sweep.bad_strengths"),
        ({"width_px": 1000}, "sweep.bad_size"),
        ({"steps": 0}, "settings.low"),
    ],
)
def test_settings_that_cannot_be_drawn_are_refused(changes, key):
    with pytest.raises(UserError) as refused:
        SweepConfig(**changes)
    assert refused.value.message.key == key


def test_a_prompt_that_is_empty_without_a_trigger_word_is_refused(tmp_path):
    with pytest.raises(UserError) as refused:
        plan_cells(make_checkpoints(tmp_path, (100,)), SweepConfig(prompts=("[trigger]",)))
    assert refused.value.message.key == "sweep.no_prompts"


def test_one_and_one_point_zero_are_one_strength():
    assert dataclasses.asdict(SweepConfig(strengths=(1,))) == dataclasses.asdict(SweepConfig(strengths=(1.0,)))
