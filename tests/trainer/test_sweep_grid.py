"""The grid picture: everything is in it, and nothing is cut."""

import dataclasses
import math

import PIL.Image
import pytest
from PIL import ImageChops, ImageFont

from tests.trainer.sweep_parts import MeanColour, Painter, make_checkpoints
from trainer.labels import Labels
from trainer.messages import sentence
from trainer.pictures import font
from trainer.sweep.cells import SweepConfig
from trainer.sweep.grid import label_rows, legend
from trainer.sweep.run import sweep
from trainer.sweep.scoring.judge import Judging
from trainer.sweep.scoring.photos import JudgedBy, KnownPhoto

LONG_PROMPT = "a photo of [subject], wearing an elegant evening dress, at a gala event, film grain, golden light"


def swept(tmp_path, steps, config, size_px=(128, 128), language="en"):
    painter = Painter(size_px, last_step=steps[-1])
    painter(_last_cell(tmp_path, steps, config)).save(tmp_path / "reference.png")
    return sweep(
        make_checkpoints(tmp_path, steps), config, render=painter, render_identity="painter",
        judging=Judging(
            photos=JudgedBy(held_out=(KnownPhoto(path=tmp_path / "reference.png"),)), scorer=MeanColour()
        ),
        cells_dir=tmp_path / "cells", progress=lambda *_: None,
        language=language,
    )  # fmt: skip


def _last_cell(tmp_path, steps, config):
    from trainer.sweep.cells import plan_cells

    return plan_cells(make_checkpoints(tmp_path, steps), config)[-1]


def labels_of(result, language="en"):
    last_step = result.checkpoints.checkpoints[-1].step
    rows = label_rows(result.cells, result.scores, last_step, Labels(font(15), language))
    return [" | ".join(row.lines) for row in rows]


@pytest.mark.parametrize(("num_seeds", "size_px"), [(1, (128, 128)), (3, (128, 192)), (1, (640, 640))])
def test_every_picture_is_in_the_grid_and_inside_it(tmp_path, num_seeds, size_px):
    config = SweepConfig(canary="", prompts=("a photo of [subject]", LONG_PROMPT), num_seeds=num_seeds)
    grid = swept(tmp_path, (100, 200), config, size_px).read_grid()
    columns, rows = 2 * num_seeds, 3
    cell_px = [round(side * min(1, 512 / max(size_px))) for side in size_px]
    assert grid.width > columns * cell_px[0] and grid.height > rows * cell_px[1]
    drawn = sum(round(cell_px[0] * cell_px[1] * _disc_share(size_px)) for _ in range(columns * rows))
    assert _disc_pixels(grid) == pytest.approx(drawn, rel=0.03)


def _disc_pixels(picture):
    """How many pixels have the green and blue that only the discs have."""
    green = picture.getchannel("G").point(lambda value: 255 * (abs(value - 90) < 2))
    blue = picture.getchannel("B").point(lambda value: 255 * (abs(value - 140) < 2))
    return ImageChops.darker(green, blue).histogram()[255]


def _disc_share(size_px):
    return math.pi / 4 * (size_px[0] - 40) * (size_px[1] - 40) / (size_px[0] * size_px[1])


def test_labels_name_the_row_and_its_likeness(tmp_path):
    labels = labels_of(swept(tmp_path, (100, 200), SweepConfig(canary="", num_seeds=2)))
    assert labels[0].startswith("untrained | likeness 0.")
    assert labels[1].startswith("step 100 | likeness 0.")
    assert [label.endswith("recommended") for label in labels] == [False, False, True]


def test_the_guides_labels_belong_to_a_run_of_4000_steps_only(tmp_path):
    config = SweepConfig(canary="", prompts=("a photo of [subject]",), num_seeds=1)
    steps = (2500, 2750, 3000, 3500, 4000)
    names = [label.split(" | ")[0] for label in labels_of(swept(tmp_path, steps, config))]
    assert names == [
        "untrained", "step 2500 · early", "step 2750", "step 3000 · usually good", "step 3500 · usually best",
        "step 4000 · final",
    ]  # fmt: skip
    shorter = [label.split(" | ")[0] for label in labels_of(swept(tmp_path, steps[:3], config))]
    assert shorter == ["untrained", "step 2500", "step 2750", "step 3000"]


def test_rows_of_several_strengths_say_theirs(tmp_path):
    config = SweepConfig(canary="", prompts=("a photo of [subject]",), num_seeds=1, strengths=(0.7, 1.0))
    labels = labels_of(swept(tmp_path, (100,), config))
    assert "strength" not in labels[0] and "strength 0.7" in labels[1] and "strength 1" in labels[2]


def test_a_wrapped_prompt_keeps_every_word_and_its_width():
    labels = Labels(font(15), "en")
    lines = labels.wrap(LONG_PROMPT, 120)
    assert " ".join(lines) == LONG_PROMPT
    assert all(labels.width_px(line) <= 120 for line in lines)
    assert "".join(labels.wrap("x" * 100, 120)) == "x" * 100


def test_long_prompts_make_the_grid_taller_not_cut(tmp_path):
    short, long = (
        swept(tmp_path, (100,), SweepConfig(canary="", prompts=(prompt,), num_seeds=1)).read_grid()
        for prompt in ("a photo of [subject]", LONG_PROMPT)
    )
    assert long.width == short.width
    assert long.height > short.height


def test_a_prompt_that_no_font_can_draw_is_called_by_its_number():
    labels = Labels(font(15), "en")
    assert labels.own("\U0010fffe", "prompt 1") == "prompt 1"
    assert labels.own("a photo", "prompt 1") == "a photo"


def test_the_grid_of_a_chinese_user_is_drawn_with_or_without_a_chinese_font(tmp_path):
    result = swept(tmp_path, (100,), SweepConfig(canary="", num_seeds=1), language="zh")
    assert isinstance(result.read_grid(), PIL.Image.Image)
    assert dataclasses.asdict(result.scores)["recommended_step"] == 100


@pytest.mark.parametrize(("num_rows", "num_seeds"), [(60, 1), (2, 128)])
def test_a_grid_of_many_rows_or_columns_keeps_to_a_size_that_programs_open(tmp_path, num_rows, num_seeds):
    config = SweepConfig(canary="", prompts=("a photo of [subject]",), num_seeds=min(64, num_seeds), max_new_cells=999)
    steps = range(10, 10 + 10 * num_rows, 10)
    with PIL.Image.open(swept(tmp_path, steps, config, size_px=(256, 256)).grid_path) as grid:
        assert grid.width < 8000 and grid.height < 14_000


def test_prompts_that_the_grid_can_only_number_are_told_beside_it(tmp_path):
    config = SweepConfig(canary="", prompts=("a photo of [subject]", "[subject]在海边"), num_seeds=1)
    result = swept(tmp_path, (100,), config)
    (told,) = legend(result.cells, ImageFont.load_default(14))
    assert told.values == {"number": 2, "prompt": "Mila在海边"}
    assert "2" in sentence(told, "zh") and "Mila在海边" in sentence(told, "en")
    assert legend(result.cells[:1], ImageFont.load_default(14)) == ()
    assert all(one in result.scores.notes for one in legend(result.cells)), "with the system's own fonts"


def test_a_long_name_and_long_seeds_stay_within_the_picture(tmp_path):
    config = SweepConfig(canary="", prompts=("a",), num_seeds=1, seed=2**62)
    usual, long = (swept(tmp_path, (100,), dataclasses.replace(config, seed=seed)).read_grid() for seed in (1, 2**62))
    assert long.size == usual.size
