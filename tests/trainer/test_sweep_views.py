"""What a viewer is told of a sweep: every picture in its place, sentences in both languages, photos only where sure."""

import json

import PIL.Image
import pytest

from tests.trainer.sweep_parts import MeanColour, Painter, make_checkpoints
from trainer.messages import LANGUAGES
from trainer.sweep.cells import SweepConfig
from trainer.sweep.run import sweep
from trainer.sweep.scoring.judge import Judging
from trainer.sweep.scoring.photos import JudgedBy, KnownPhoto
from trainer.sweep.views import SMALL_PX, sweep_view

CONFIG = SweepConfig(prompts=("a photo of [subject]", "a photo of [subject], beach"), canary="a person")
STEPS = (100, 200, 300)


def place(path):
    return {"filename": path.name, "subfolder": path.parent.name, "type": "output"}


def swept(folder, size_px=(128, 128), photos=(), scorer=None):
    painter = Painter(size_px)
    return sweep(
        make_checkpoints(folder, STEPS),
        CONFIG,
        render=painter,
        render_identity="painter 1",
        judging=Judging(photos=JudgedBy(training=tuple(photos)), scorer=scorer),
        cells_dir=folder / "cells",
        progress=lambda *_: None,
    )


def photo(folder, name, picture=None):
    """A training photo; without a picture one of its own colours."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (picture or PIL.Image.effect_noise((96, 96), 90).convert("RGB")).save(path)
    return KnownPhoto(path=path)


def test_every_picture_is_told_of_in_its_row_and_column(tmp_path):
    result = swept(tmp_path)
    view = sweep_view(result, choice="200", place=place)
    assert json.loads(json.dumps(view)) == view
    told = {
        (row["step"], row["strength"], column["prompt"], column["seed"], column["is_canary"], cell["name"])
        for row in view["rows"]
        for column, cell in zip(view["columns"], row["cells"], strict=True)
    }
    cells = [(one.cell, one.path.name) for one in result.cells]
    assert told == {(c.step, c.strength, c.prompt, c.seed, c.is_canary, name) for c, name in cells}
    assert len({row["key"] for row in view["rows"]}) == len(view["rows"]) == 1 + len(STEPS)
    assert [row["choice"] for row in view["rows"]] == [None, "100", "200", "300"] and view["choice"] == "200"


def test_one_row_is_recommended_and_sentences_come_in_every_language(tmp_path):
    result = swept(tmp_path, scorer=MeanColour(), photos=[photo(tmp_path, f"{n}.png") for n in range(6)])
    view = sweep_view(result, choice="recommended", place=place)
    (row,) = [row for row in view["rows"] if row["mark"] == "recommended"]
    assert (row["step"], row["strength"]) == (result.scores.recommended_step, result.scores.recommended_strength)
    assert row["scores"]["likeness"]["num"] == 4 and row["cells"][0]["likeness"] is not None
    assert row["cells"][-1]["likeness"] is None, "the canary is not judged by likeness"
    texts = [*view["reasons"], *view["remedies"], *view["notes"], *(row["label"] for row in view["rows"])]
    assert texts and all(set(text) == set(LANGUAGES) and all(text.values()) for text in texts)


@pytest.mark.parametrize("size_px", [(128, 96), (SMALL_PX, 64)])
def test_small_pictures_are_shown_as_they_are(tmp_path, size_px):
    view = sweep_view(swept(tmp_path, size_px), choice="", place=place)
    assert view["small_folder"] is None and not (tmp_path / "cells/small").exists()
    assert view["picture_px"] == list(size_px)


def test_large_pictures_get_small_ones_once(tmp_path):
    result = swept(tmp_path, (SMALL_PX * 3, SMALL_PX))
    view = sweep_view(result, choice="", place=place)
    assert view["small_folder"] == {"subfolder": "small", "type": "output"}
    paths = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells/small").iterdir()}
    assert {path.stem for path in paths} == {one.path.stem for one in result.cells}
    with PIL.Image.open(next(iter(paths))) as small:
        assert max(small.size) == SMALL_PX
    sweep_view(result, choice="", place=place)
    assert paths == {path: path.stat().st_mtime_ns for path in (tmp_path / "cells/small").iterdir()}


def test_making_small_pictures_can_be_left_early(tmp_path):
    class Cancelled(Exception): ...

    def cancel():
        raise Cancelled

    with pytest.raises(Cancelled):
        sweep_view(swept(tmp_path, (SMALL_PX * 2, SMALL_PX)), choice="", place=place, on_picture=cancel)


def copying(tmp_path, photos):
    """A result in which one picture counts as a copy of the photo `same.png`."""
    import dataclasses

    result = swept(tmp_path)
    last = result.scores.rows[-1]
    cell = dataclasses.replace(last.cells[0], is_copy=True, nearest_photo="same.png")
    row = dataclasses.replace(last, cells=(cell, *last.cells[1:]), num_copies=1)
    scores = dataclasses.replace(result.scores, rows=(*result.scores.rows[:-1], row))
    return sweep_view(dataclasses.replace(result, scores=scores), choice="", place=place, photos=photos)


def test_the_photo_that_a_picture_copies_is_shown(tmp_path):
    photos = [photo(tmp_path, "a/same.png"), photo(tmp_path, "a/other.png")]
    before = [one.path.read_bytes() for one in photos]
    view = copying(tmp_path, photos)
    assert view["rows"][-1]["cells"][0]["copied"] == "same.png" and view["rows"][-1]["cells"][1]["copied"] is None
    shown = view["photos"]["same.png"]
    assert set(view["photos"]) == {"same.png"} and (tmp_path / "cells/photos" / shown["filename"]).is_file()
    assert [one.path.read_bytes() for one in photos] == before


def test_a_name_that_two_photos_have_is_named_and_not_shown(tmp_path):
    view = copying(tmp_path, [photo(tmp_path, "a/same.png"), photo(tmp_path, "b/same.png")])
    assert view["photos"] == {} and view["rows"][-1]["cells"][0]["copied"] == "same.png"
