"""Scoring pictures: what counts as alike, as flexible and as copied, by laws on pictures whose answer is known."""

import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL import ImageEnhance, ImageFilter, ImageOps

from tests.trainer.sweep_parts import make_checkpoints
from trainer.photos.memo import Memo
from trainer.sweep.cells import Cell, RenderedCell
from trainer.sweep.encoder import TransformersImageEncoder
from trainer.sweep.scoring.copying import PersonPhotos
from trainer.sweep.scoring.flexibility import compare_scenes
from trainer.sweep.scoring.judge import Judging, judge_cells, nothing
from trainer.sweep.scoring.looks import Looker
from trainer.sweep.scoring.matching import SMALL_PX, Searched
from trainer.sweep.scoring.photos import JudgedBy, KnownPhoto, judged_by

POCKET = Path(__file__).parents[2] / "pocket"
MILA = sorted((POCKET / "photos" / "mila").iterdir())
HELD_OUT = sorted((POCKET / "photos" / "mila_held_out").iterdir())
OTHERS = sorted((POCKET / "photos" / "others").iterdir())


class CountingEncoder(TransformersImageEncoder):
    """The pocket's figure encoder, counting what it is asked."""

    num_images = 0

    def embed(self, images):
        self.num_images += len(images)
        return super().embed(images)


@pytest.fixture(scope="module")
def encoder():
    return CountingEncoder(POCKET / "encoder", knows_scenes=False)


@pytest.fixture
def judging(encoder, tmp_path):
    photos = JudgedBy(
        held_out=tuple(KnownPhoto(path=path) for path in HELD_OUT[:4]),
        training=tuple(KnownPhoto(path=path) for path in MILA),
    )
    return Judging(photos=photos, scorer=encoder, memo=Memo(tmp_path / "memo"))


def cells_of(rows):
    """Rendered cells from picture files by row: four prompts of two seeds each."""
    found = []
    for (step, strength), paths in rows.items():
        for index, path in enumerate(paths):
            cell = Cell(step=step, strength=strength, prompt=f"prompt {index // 2}", seed=index % 2, lora_path=None)
            found.append(RenderedCell(cell=cell, path=path))
    return found


def test_pictures_of_the_person_are_more_alike_than_others_and_the_rise_is_beyond_its_interval(judging, tmp_path):
    rows = {(0, 0.0): OTHERS[:8], (100, 0.8): HELD_OUT[4:12]}
    scores = judge_cells(cells_of(rows), make_checkpoints(tmp_path, (100,)), judging)
    assert scores.rows[1].gain.is_above_zero
    assert scores.rows[1].likeness.mean > 0.9 and scores.ceiling > 0.9
    assert scores.recommended_step == 100 and scores.scorer == "encoder"


def test_a_row_of_training_photos_is_rejected_though_it_is_more_alike_and_honest_photos_pass(judging, tmp_path):
    rows = {(0, 0.0): OTHERS[:8], (100, 0.8): HELD_OUT[4:12], (200, 0.8): MILA[:8]}
    scores = judge_cells(cells_of(rows), make_checkpoints(tmp_path, (100, 200)), judging)
    honest, learned_by_heart = scores.of(100, 0.8), scores.of(200, 0.8)
    assert honest.rejected is None
    assert learned_by_heart.rejected is not None and learned_by_heart.num_copies == 8
    assert [cell.nearest_photo for cell in learned_by_heart.cells] == [path.name for path in MILA[:8]]
    assert scores.recommended_step == 100


@pytest.mark.parametrize("change", ["mirrored", "softer", "brighter", "smaller", "noisy"])
def test_a_copy_is_known_however_it_was_redrawn(encoder, tmp_path, change):
    photo = PIL.Image.open(MILA[3]).convert("RGB")
    noise = np.random.default_rng(1).normal(0, 8, (*photo.size[::-1], 3))
    copy = {
        "mirrored": ImageOps.mirror, "softer": lambda one: one.filter(ImageFilter.GaussianBlur(1)),
        "brighter": ImageEnhance.Brightness(photo).enhance, "smaller": lambda one: one.resize((96, 96)),
        "noisy": lambda one: PIL.Image.fromarray((np.asarray(one) + noise).clip(0, 255).astype(np.uint8)),
    }[change](1.2 if change == "brighter" else photo)  # fmt: skip
    copy.save(tmp_path / "copy.png")
    looker = Looker(encoder, None, Memo(None), nothing)
    held_out = looker.look(HELD_OUT)
    photos = PersonPhotos(looker.look(MILA), held_out)
    limits = photos.limits()
    nearness = photos.nearness(looker.look([tmp_path / "copy.png"])[0])
    assert limits.is_copy(nearness) and nearness.nearest_index == 3
    own = range(len(MILA), len(MILA) + len(HELD_OUT))
    assert sum(limits.is_copy(photos.nearness(look, skip=at)) for at, look in zip(own, held_out, strict=True)) <= 1


def test_pictures_drawn_from_photos_are_learned_by_heart_and_those_of_the_person_alone_are_not(judging, tmp_path):
    """Redrawn softly and moved, as a small model repeats them: no single picture need be a copy for the row to be."""
    redrawn = []
    for number, path in enumerate(MILA[:8]):
        photo = PIL.Image.open(path).convert("RGB").filter(ImageFilter.GaussianBlur(2))
        redrawn.append(tmp_path / f"{number}.png")
        photo.crop((10, 6, photo.width, photo.height - 8)).resize((128, 128)).save(redrawn[-1])
    rows = {(0, 0.0): OTHERS[:8], (100, 0.8): HELD_OUT[4:12], (200, 0.8): redrawn}
    scores = judge_cells(cells_of(rows), make_checkpoints(tmp_path, (100, 200)), judging)
    honest, repeating = scores.of(100, 0.8), scores.of(200, 0.8)
    assert honest.by_heart.mean < repeating.by_heart.mean and honest.rejected is None
    assert repeating.by_heart.is_above_zero and repeating.rejected is not None and scores.recommended_step == 100
    unseen = dataclasses.replace(judging.photos, held_out=())
    alone = judge_cells(
        cells_of(rows), make_checkpoints(tmp_path, (100, 200)), dataclasses.replace(judging, photos=unseen)
    )
    assert alone.of(200, 0.8).by_heart is None, "without photos that training never saw nobody can tell"


def test_training_photos_themselves_are_wholly_by_heart_and_the_untrained_row_not_at_all(judging, tmp_path):
    rows = {(0, 0.0): OTHERS[:8], (100, 0.8): MILA[:8], (200, 0.8): OTHERS[:8]}
    scores = judge_cells(cells_of(rows), make_checkpoints(tmp_path, (100, 200)), judging)
    assert scores.of(100, 0.8).by_heart.mean == pytest.approx(1.0, abs=0.25)
    assert scores.of(200, 0.8).by_heart.mean == pytest.approx(0.0, abs=1e-6)


def small_of(image):
    return np.asarray(image.convert("RGB").resize((SMALL_PX, SMALL_PX)), np.float64) / 255


def test_the_middle_of_a_picture_is_found_in_it_and_in_itself_moved_larger_smaller_and_mirrored():
    photos = [PIL.Image.open(path).convert("RGB") for path in MILA]
    searched = Searched([small_of(photo) for photo in photos])
    for index, photo in enumerate(photos[:6]):
        assert searched.agreement(small_of(photo))[index] == pytest.approx(1.0, abs=1e-4)
        for other in (ImageOps.mirror(photo), photo.crop((14, 10, photo.width, photo.height - 6))):
            found = searched.agreement(small_of(other))
            assert found.argmax() == index and found[index] > 0.7
    plain = PIL.Image.new("RGB", (64, 64), "grey")
    assert (
        not searched.agreement(small_of(plain)).any()
        and not Searched([small_of(plain)]).agreement(np.ones((48, 48, 3))).any()
    )
    assert len(Searched([]).agreement(small_of(photos[0]))) == 0


def test_pixels_alone_know_copies_where_nobody_judges_likeness(judging, tmp_path):
    rows = {(0, 0.0): OTHERS[:8], (100, 0.8): HELD_OUT[4:12], (200, 0.8): MILA[:8]}
    judging = dataclasses.replace(judging, scorer=None)
    scores = judge_cells(cells_of(rows), make_checkpoints(tmp_path, (100, 200)), judging)
    assert scores.of(200, 0.8).rejected is not None and scores.of(100, 0.8).rejected is None
    assert scores.rows[1].likeness is None and scores.recommended_step == 100
    assert "sweep.no_scorer" in {note.key for note in scores.notes}


def test_a_picture_is_looked_at_once_however_often_a_sweep_is_judged(judging, tmp_path):
    rows = {(0, 0.0): OTHERS[:8], (100, 0.8): HELD_OUT[4:12]}
    judge_cells(cells_of(rows), make_checkpoints(tmp_path, (100,)), judging)
    before = judging.scorer.num_images
    first = judge_cells(cells_of(rows), make_checkpoints(tmp_path, (100,)), judging)
    assert judging.scorer.num_images == before
    wider = {**rows, (0, 0.0): OTHERS[:10], (100, 0.8): [*HELD_OUT[4:12], *MILA[:2]]}
    again = judge_cells(cells_of(wider), make_checkpoints(tmp_path, (100,)), judging)
    assert judging.scorer.num_images == before + 2  # the two training photos were known
    assert first.rows[0].cells == again.rows[0].cells[:8]


def scenes(rng, prompts=4, seeds=2, size=12):
    return {(f"prompt {p}", s): rng.normal(size=size) for p in range(prompts) for s in range(seeds)}


def test_the_base_model_itself_keeps_all_its_flexibility():
    base = scenes(np.random.default_rng(0))
    canaries = scenes(np.random.default_rng(1), prompts=1)
    kept = compare_scenes(base, canaries, base, canaries)
    assert kept.agreement.mean == pytest.approx(1.0) and kept.variety.mean == pytest.approx(1.0)
    assert kept.drift.mean == pytest.approx(0.0)
    assert kept.mean == pytest.approx(np.mean(list(kept.by_picture.values())))


def test_a_person_who_is_in_all_pictures_costs_no_flexibility_and_the_same_picture_for_all_prompts_costs_it():
    base = scenes(np.random.default_rng(0))
    person = np.random.default_rng(2).normal(size=12) * 5
    with_person = {place: scene + person for place, scene in base.items()}
    assert compare_scenes(with_person, {}, base, {}).agreement.mean == pytest.approx(1.0)
    always = dict.fromkeys(base, person)
    kept = compare_scenes(always, {}, base, {})
    assert kept.agreement.mean == pytest.approx(0.0) and kept.variety.mean == pytest.approx(0.0)


def test_drift_is_one_where_pictures_without_the_person_become_other_ones():
    rng = random.Random(3)
    numbers = np.random.default_rng(3)
    drifts = []
    for _ in range(60):
        base, canaries = scenes(numbers), scenes(numbers, prompts=1)
        other = scenes(np.random.default_rng(rng.randrange(10**6)), prompts=1)
        drifts.append(compare_scenes(base, other, base, canaries).drift.mean)
    assert np.mean(drifts) == pytest.approx(1.0, abs=0.1)


def test_with_one_prompt_one_seed_and_no_canary_likeness_alone_decides():
    kept = compare_scenes({("a", 1): np.ones(3)}, {}, {("a", 1): np.zeros(3)}, {})
    assert kept.mean is None and kept.of("a", 1) == 1.0


class MiddleFinder:
    """Finds one face in the middle of every picture."""

    name = "middle"

    def find(self, image):
        from trainer.photos.photo import Face

        return (Face(box=(0.3, 0.3, 0.7, 0.7), confidence=1.0),)


def test_likeness_is_of_the_faces_where_a_detector_finds_them(judging, tmp_path):
    rows = {(0, 0.0): OTHERS[:8], (100, 0.8): HELD_OUT[4:12]}
    checkpoints = make_checkpoints(tmp_path, (100,))
    whole = judge_cells(cells_of(rows), checkpoints, judging)
    faces = judge_cells(cells_of(rows), checkpoints, dataclasses.replace(judging, detector=MiddleFinder()))
    assert "sweep.judged_whole" in {note.key for note in whole.notes}
    assert "sweep.judged_faces" in {note.key for note in faces.notes}
    assert faces.rows[1].likeness != whole.rows[1].likeness
    known = tuple(KnownPhoto(path=path, face=(0.3, 0.3, 0.7, 0.7)) for path in HELD_OUT[:4])
    photos = dataclasses.replace(judging.photos, held_out=known)
    again = judge_cells(
        cells_of(rows), checkpoints, dataclasses.replace(judging, photos=photos, detector=MiddleFinder())
    )
    assert again.rows[1].likeness == faces.rows[1].likeness  # the run's own face boxes serve as well
    blind = judge_cells(cells_of(rows), checkpoints, dataclasses.replace(judging, photos=photos))
    assert blind.rows[1].likeness == whole.rows[1].likeness  # whole pictures are not compared with faces


def test_the_runs_record_says_which_photos_judge(tmp_path):
    photos = [
        {"path": str(path), "content_hash": path.name, "caption": "", "shot": "close-up", "faces": []}
        for path in MILA[:6]
    ]
    photos[1]["faces"] = [[0.1, 0.2, 0.3, 0.4]]
    photos.append({**photos[0], "path": str(tmp_path / "gone.jpg"), "content_hash": "gone"})
    record = {
        "identity": {}, "config": {}, "created": "", "earlier_configs": [], "photos": photos,
        "validation": {"held_out": [MILA[1].name], "set_aside": [MILA[2].name]},
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    judged = judged_by(tmp_path)
    assert [photo.path for photo in judged.references] == [MILA[1]] and judged.references[0].face == (
        0.1,
        0.2,
        0.3,
        0.4,
    )
    assert [photo.path for photo in judged.training] == [MILA[0], *MILA[3:6]]
    assert dict(judged.shots) == {"close-up": 7}
    assert judged_by(tmp_path / "nowhere").references == ()
