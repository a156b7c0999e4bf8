"""A sweep as a whole: nothing is rendered twice, and what is found is handed on."""

import dataclasses
import itertools
import json
import random

import PIL.Image
import pytest

from tests.trainer.sweep_parts import MeanColour, Painter, make_checkpoints
from trainer.messages import UserError
from trainer.sweep.cells import SweepConfig
from trainer.sweep.run import sweep
from trainer.sweep.scores import as_json
from trainer.sweep.scoring.judge import Judging
from trainer.sweep.scoring.photos import JudgedBy, KnownPhoto

CONFIG = SweepConfig(
    prompts=("a photo of [subject]", "a photo of [subject], beach"), canary="", width_px=128, height_px=128
)


def run(checkpoints, painter, cells_dir, config=CONFIG, **changes):
    wanted = dict(
        render=painter,
        render_identity="painter 1",
        judging=Judging(photos=JudgedBy()),
        progress=lambda *_: None,
    )
    return sweep(checkpoints, config, cells_dir=cells_dir, **{**wanted, **changes})


def test_no_cell_is_rendered_twice(tmp_path):
    checkpoints, painter = make_checkpoints(tmp_path, (100, 200, 300)), Painter()
    first = run(checkpoints, painter, tmp_path / "cells")
    assert len(painter.painted) == len(set(painter.painted)) == 4 * 2 * 2
    again = run(checkpoints, painter, tmp_path / "cells")
    assert len(painter.painted) == 16
    assert again == first


def test_adding_a_prompt_renders_only_its_cells(tmp_path):
    checkpoints, painter = make_checkpoints(tmp_path, (100, 200)), Painter()
    run(checkpoints, painter, tmp_path / "cells")
    before = len(painter.painted)
    wider = dataclasses.replace(CONFIG, prompts=(*CONFIG.prompts, "a photo of [subject], night"))
    run(checkpoints, painter, tmp_path / "cells", wider)
    assert {cell.prompt for cell in painter.painted[before:]} == {"a photo of Mila, night"}
    assert len(painter.painted) - before == 3 * 2


def test_a_strength_or_a_checkpoint_more_leaves_the_untrained_row_alone(tmp_path):
    painter = Painter()
    run(make_checkpoints(tmp_path, (100,)), painter, tmp_path / "cells")
    before = len(painter.painted)
    stronger = dataclasses.replace(CONFIG, strengths=(0.8, 1.0))
    run(make_checkpoints(tmp_path, (100, 200)), painter, tmp_path / "cells", stronger)
    assert {(cell.step, cell.strength) for cell in painter.painted[before:]} == {(100, 1.0), (200, 0.8), (200, 1.0)}


@pytest.mark.parametrize("change", ["sampler", "steps", "seed", "size", "model", "lora"])
def test_whatever_changes_a_picture_renders_it_anew(tmp_path, change):
    checkpoints, painter = make_checkpoints(tmp_path, (100,)), Painter()
    run(checkpoints, painter, tmp_path / "cells")
    before = len(painter.painted)
    other = {
        "sampler": {"sampler": "euler"}, "steps": {"steps": 8}, "seed": {"seed": 7}, "size": {"width_px": 144},
    }.get(change, {})  # fmt: skip
    if change == "lora":
        checkpoints.checkpoints[0].path.write_bytes(b"trained anew")
    identity = "painter 2" if change == "model" else "painter 1"
    run(checkpoints, painter, tmp_path / "cells", dataclasses.replace(CONFIG, **other), render_identity=identity)
    assert len(painter.painted) - before == (4 if change == "lora" else 8)


def test_a_lora_file_under_another_name_is_not_rendered_again(tmp_path):
    checkpoints, painter = make_checkpoints(tmp_path, (100,)), Painter()
    run(checkpoints, painter, tmp_path / "cells")
    moved = checkpoints.checkpoints[0].path.rename(tmp_path / "moved.safetensors")
    renamed = dataclasses.replace(checkpoints.checkpoints[0], path=moved)
    run(dataclasses.replace(checkpoints, checkpoints=(renamed,)), painter, tmp_path / "cells")
    assert len(painter.painted) == 8


def test_a_cancelled_sweep_goes_on_where_it_was(tmp_path):
    checkpoints, painter = make_checkpoints(tmp_path, (100, 200)), Painter()

    class Cancelled(Exception):
        pass

    def cancel_at_five(done: int, total: int, left_s: float | None) -> None:
        if done == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(checkpoints, painter, tmp_path / "cells", progress=cancel_at_five)
    heard: list[tuple[int, int]] = []
    run(checkpoints, painter, tmp_path / "cells", progress=lambda done, total, _: heard.append((done, total)))
    assert len(painter.painted) == len(set(painter.painted)) == 12
    assert heard == [(done, 12) for done in range(5, 13)]


@pytest.mark.parametrize("seed", range(5))
def test_cancelled_again_and_again_at_any_cell_it_draws_none_twice(tmp_path, seed):
    checkpoints, painter = make_checkpoints(tmp_path, (100, 200, 300)), Painter()
    where, num_cells, num_left = random.Random(seed), 16, 0

    def stop_sometimes(done, total, _left_s):
        assert total == num_cells
        if done < total and where.random() < 0.3:
            raise KeyboardInterrupt

    def draw(cell):
        if where.random() < 0.2:
            raise UserError("sweep.not_finite", row="a row", prompt=cell.prompt)
        return painter(cell)

    while len(painter.painted) < num_cells:
        try:
            run(checkpoints, draw, tmp_path / "cells", progress=stop_sometimes)
        except (KeyboardInterrupt, UserError):
            num_left += 1
        kept = [path for path in (tmp_path / "cells").glob("*.png") if path.stem != "grid"]
        assert len(kept) == len(painter.painted)
    assert num_left > 1 and len(set(painter.painted)) == num_cells
    whole = run(make_checkpoints(tmp_path, (100, 200, 300)), Painter(), tmp_path / "in one go")
    parts = run(checkpoints, painter, tmp_path / "cells")
    assert [cell.path.read_bytes() for cell in parts.cells] == [cell.path.read_bytes() for cell in whole.cells]
    assert parts.scores == whole.scores and len(painter.painted) == num_cells


def test_a_checkpoint_that_is_deleted_in_between_leaves_what_is_done(tmp_path):
    checkpoints, painter = make_checkpoints(tmp_path, (100, 200)), Painter()
    last = checkpoints.checkpoints[-1].path
    data = last.read_bytes()

    def draw(cell):
        last.unlink(missing_ok=True)
        if cell.lora_path:
            cell.lora_path.stat()
        return painter(cell)

    with pytest.raises(FileNotFoundError):
        run(checkpoints, draw, tmp_path / "cells")
    assert {cell.step for cell in painter.painted} == {0, 100} and len(painter.painted) == 8
    with pytest.raises(UserError, match=r"mila_000000200\.safetensors"):
        run(checkpoints, painter, tmp_path / "cells")
    last.write_bytes(data)
    run(checkpoints, painter, tmp_path / "cells")
    assert len(set(painter.painted)) == len(painter.painted) == 12


def test_a_picture_that_was_cut_off_is_rendered_anew(tmp_path):
    checkpoints, painter = make_checkpoints(tmp_path, (100,)), Painter()
    result = run(checkpoints, painter, tmp_path / "cells")
    damaged = random.Random(1).choice(result.cells).path
    damaged.write_bytes(damaged.read_bytes()[:60])
    run(checkpoints, painter, tmp_path / "cells")
    assert len(painter.painted) == 9
    PIL.Image.open(damaged).load()


def test_a_lora_file_that_vanished_is_named_before_anything_is_rendered(tmp_path):
    checkpoints, painter = make_checkpoints(tmp_path, (100, 200)), Painter()
    checkpoints.checkpoints[1].path.unlink()
    with pytest.raises(UserError, match=r"mila_000000200\.safetensors") as refused:
        run(checkpoints, painter, tmp_path / "cells")
    assert refused.value.message.key == "sweep.lora_gone"
    assert not painter.painted


def test_the_most_alike_checkpoint_is_handed_on_and_the_scores_are_json(tmp_path):
    checkpoints = make_checkpoints(tmp_path, (100, 200, 300))
    reference = Painter(last_step=1000)(plan_of(checkpoints)[-1])
    reference.save(tmp_path / "reference.png")
    photos = JudgedBy(held_out=(KnownPhoto(path=tmp_path / "reference.png"),))
    judging = Judging(photos=photos, scorer=MeanColour())
    result = run(checkpoints, Painter(last_step=1000), tmp_path / "cells", judging=judging)
    likeness = [row.likeness.mean for row in result.scores.rows]
    assert likeness == sorted(likeness)
    assert [row.step for row in result.scores.rows] == [0, 100, 200, 300]
    assert result.checkpoints.chosen.step == result.scores.recommended_step
    assert result.checkpoints.recommended_strength == result.scores.recommended_strength == 0.8
    assert json.loads(json.dumps(as_json(result.scores)))["scorer"] == "mean colour"


def test_too_many_pictures_are_announced_before_the_first_and_those_drawn_before_do_not_count(tmp_path):
    checkpoints, painter, clock = make_checkpoints(tmp_path, (100, 200)), Painter(), itertools.count(step=60.0)
    few, cells_dir = dataclasses.replace(CONFIG, max_new_cells=11), tmp_path / "cells"
    with pytest.raises(UserError, match=r"12 new pictures.*11") as refused:
        run(checkpoints, painter, cells_dir, few)
    assert refused.value.message.key == "sweep.too_many_cells" and not painter.painted
    run(make_checkpoints(tmp_path, (100,)), painter, cells_dir, few, now_s=lambda: next(clock))
    run(checkpoints, painter, cells_dir, few)
    with pytest.raises(UserError, match="about .* minutes"):
        run(make_checkpoints(tmp_path, range(100, 2000, 100)), painter, cells_dir, few)
    assert len(painter.painted) == 12


def test_the_time_that_is_left_comes_from_what_the_pictures_took(tmp_path):
    clock, heard = itertools.count(step=10.0), []
    wanted = dict(progress=lambda done, total, left_s: heard.append(left_s), now_s=lambda: next(clock))
    run(make_checkpoints(tmp_path, (100,)), Painter(), tmp_path / "cells", **wanted)
    assert heard == [None, *(10.0 * left for left in range(7, -1, -1))]
    heard.clear()
    run(make_checkpoints(tmp_path, (100, 200)), Painter(), tmp_path / "cells", **wanted)
    assert heard[0] == 40.0, "known from the last time"


def test_pictures_and_grid_say_how_they_were_made(tmp_path):
    result = run(make_checkpoints(tmp_path, (100,)), Painter(), tmp_path / "cells", grid_texts={"workflow": '"图"'})
    with PIL.Image.open(result.cells[-1].path) as picture:
        made_of = json.loads(picture.text["zimage_lora"])
    cell = result.cells[-1].cell
    assert (made_of["prompt"], made_of["seed"], made_of["strength"]) == (cell.prompt, cell.seed, cell.strength)
    with PIL.Image.open(result.grid_path) as grid:
        assert grid.text["workflow"] == '"图"'


def test_scores_are_kept_as_json_and_as_a_table(tmp_path):
    result = run(make_checkpoints(tmp_path, (100, 200)), Painter(), tmp_path / "cells")
    assert json.loads((tmp_path / "cells/scores.json").read_text(encoding="utf-8"))["recommended_step"] == 200
    table = (tmp_path / "cells/scores.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(table) == 1 + len(result.scores.rows)


def plan_of(checkpoints):
    from trainer.sweep.cells import plan_cells

    return plan_cells(checkpoints, CONFIG)


def test_without_a_scorer_the_scores_say_so(tmp_path):
    result = run(make_checkpoints(tmp_path, (100, 200)), Painter(), tmp_path / "cells")
    said = {message.key for message in result.scores.messages()}
    assert {"sweep.no_scorer", "sweep.no_references", "sweep.recommended_by_last"} <= said
    assert result.checkpoints.chosen.step == 200
