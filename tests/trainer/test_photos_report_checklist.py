"""The checklist and the advice: counted, never guessed, and true once it is followed."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from tests.trainer.report_photos import judged, set_of_shots
from trainer.captions.dataset import Finding
from trainer.messages import LANGUAGES, Message, sentence
from trainer.photos.photo import POSES, SHOTS, UNKNOWN, PhotoSet
from trainer.photos.report.advice import advise
from trainer.photos.report.captions import look_at_captions
from trainer.photos.report.checklist import PROBLEMS, check
from trainer.photos.report.items import items_of
from trainer.photos.report.mix import GOOD, MEND, OPEN
from trainer.photos.report.words import badge_word, kind_word, problem_word

ALL_STEPS = ("duplicates", "borders", "text_marks", "other_people", "crop")
WELL_MIXED = ["close-up"] * 33 + ["medium"] * 26 + ["full body"] * 13


def verdicts(photos: PhotoSet, captions: tuple[str, ...] | None = None) -> dict[str, str]:
    """The verdict of each line."""
    facts = None if captions is None else look_at_captions(captions, "Ada")
    return {item.name: item.verdict for item in items_of(check(photos, facts))}


def advice_keys(photos: PhotoSet) -> list[str]:
    """What is advised, in order."""
    return [message.key for message in advise(check(photos))]


def test_a_set_as_the_guide_wants_it_has_ticks_where_anybody_could_look() -> None:
    folder = Path("photos")
    photos = tuple(
        judged(folder / f"{index}.jpg", shot=shot, pose=("front", "three-quarter", "profile")[index % 3],
               expression=("neutral", "smiling")[index % 2], manner=("natural", "posed")[index % 2])
        for index, shot in enumerate(WELL_MIXED)
    )  # fmt: skip
    found = verdicts(PhotoSet(folder=folder, photos=photos, looked_for=ALL_STEPS), ("a photo of Ada",) * len(photos))
    assert {name for name, verdict in found.items() if verdict != GOOD} == {"light", "outfits"}
    assert found["light"] == found["outfits"] == OPEN  # no pixels were looked at here


def test_where_nobody_looked_nothing_has_a_tick_or_a_cross() -> None:
    photos = set_of_shots([UNKNOWN] * 75)
    unjudged = tuple(dataclasses.replace(photo, judgement=None) for photo in photos.photos)
    found = verdicts(dataclasses.replace(photos, photos=unjudged))
    assert {name for name, verdict in found.items() if verdict != OPEN} == {"count", "size"}
    keys = advice_keys(dataclasses.replace(photos, photos=unjudged))
    assert "photos.advice_detector" in keys and not any("_add" in key for key in keys)


@pytest.mark.parametrize("seed", range(8))
def test_count_and_mix_are_in_range_once_the_advice_is_followed(seed: int) -> None:
    chance = random.Random(seed)
    shots = [shot for shot in SHOTS for _ in range(chance.choice((0, 3, 20, 60)))] or ["medium"]
    for message in advise(check(set_of_shots(shots))):
        kind = next((shot for shot in SHOTS if message.values.get("kind") == kind_word(shot)), None)
        if message.key == "photos.advice_shots_add" and kind:
            shots += [kind] * int(str(message.values["add"]))
        elif message.key == "photos.advice_shots_spare" and kind:
            for _ in range(int(str(message.values["spare"]))):
                shots.remove(kind)
    found = verdicts(set_of_shots(shots))
    assert (found["count"], found["shots"]) == (GOOD, GOOD)


def test_advice_for_missing_close_ups_comes_first_and_says_how_many() -> None:
    first = advise(check(set_of_shots(["medium"] * 28 + ["full body"] * 12)))[0]
    assert first.key == "photos.advice_shots_add"
    said = sentence(first, "en")
    assert "close-up: about 30" in said and "0 of 40" in said and "40–50 %" in said, said


def test_mostly_frontal_photos_are_told_to_turn_the_head() -> None:
    folder = Path("photos")
    photos = tuple(judged(folder / f"{index}.jpg", pose="front", shot=shot) for index, shot in enumerate(WELL_MIXED))
    messages = advise(check(PhotoSet(folder=folder, photos=photos)))
    added = [message.values["kind"] for message in messages if message.key == "photos.advice_poses_add"]
    assert added == [kind_word("three-quarter"), kind_word("profile")]


def test_faults_are_named_photo_by_photo() -> None:
    folder = Path("photos")
    blurred = Message("photos.face_blurred", {"sharpness": 3, "good": 30, "blur": 0.7, "good_blur": 0.6})
    photos = (
        judged(folder / "sharp.jpg"),
        judged(folder / "blurred.jpg", findings=(blurred,)),
        judged(folder / "crowd.jpg", findings=(Message("photos.several_people", {"count": 3}),)),
        judged(folder / "bars.jpg", done=(Message("photos.borders_found", {"percent": 9}),)),
        judged(folder / "bars_gone.jpg", done=(Message("photos.borders_cut", {"percent": 9}),)),
    )
    photo_set = PhotoSet(folder=folder, photos=photos, looked_for=ALL_STEPS)
    checklist = check(photo_set)
    assert {problem: checklist.having(problem) for problem in checklist.problems} == {
        "blurred": ["blurred.jpg"], "several_people": ["crowd.jpg"], "margins": ["bars.jpg"],
    }  # fmt: skip
    assert {verdicts(photo_set)[name] for name in ("quality", "people", "margins")} == {MEND}
    named = {message.key: message.values["names"] for message in advise(checklist) if "names" in message.values}
    assert named["photos.advice_blurred"] == "blurred.jpg"


def test_large_photos_are_told_to_be_scaled_down() -> None:
    photos = (judged(Path("photos/a.jpg"), size_px=(4000, 3000)),)
    assert verdicts(PhotoSet(folder=Path("photos"), photos=photos))["size"] == MEND


@pytest.mark.parametrize(
    ("captions", "verdict"),
    [
        (("a photo of Ada",) * 10, GOOD),
        (("a photo of Ada",) * 8 + ("a photo of Ada with ponytail", "A photo of ada without face"), GOOD),
        (("Ada 的照片",) * 10, GOOD),
        (("a photo of Ada",) * 9 + ("a photo of a woman",), MEND),
        (("a photo of Ada",) * 9 + ("a photo of Ada " + "very " * 20,), MEND),
        (("a photo of Ada",) * 5 + ("Ada in the rain",) * 5, MEND),
    ],
)
def test_captions_are_to_be_simple_named_and_alike(captions: tuple[str, ...], verdict: str) -> None:
    assert verdicts(set_of_shots(["medium"] * len(captions)), captions)["captions"] == verdict


def test_what_lint_found_spoils_the_captions_and_what_it_asks_does_not() -> None:
    photos, captions = set_of_shots(["medium"] * 9), ["a photo of Ada"] * 9
    fault, question = (
        Finding(kind=kind, message=Message(f"captions.lint.{kind}", values), photos=("a",))
        for kind, values in (
            ("people", {"count": 1, "words": "two men", "names": "a.jpg", "subject": "Ada"}),
            ("faceless_question", {"count": 1, "names": "a.jpg"}),
        )
    )
    for finding, verdict in ((fault, MEND), (question, GOOD)):
        checklist = check(photos, look_at_captions(captions, "Ada", (finding,)))
        assert {item.name: item.verdict for item in items_of(checklist)}["captions"] == verdict
        assert finding.message in advise(checklist)


def test_the_checklist_and_lint_agree_on_names_and_length() -> None:
    captions = ["a photo of Hannah", "[trigger] at sea", "ANN's hat", "a photo of Ann " + "very " * 30, "Annabel"]
    facts = look_at_captions(captions, "Ann")
    assert (facts.nameless, facts.long) == ((0, 4), (3,))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_line_and_all_advice_can_be_said(language: str) -> None:
    some = set_of_shots(["medium"] * 3)
    for photos in (some, dataclasses.replace(some, photos=()), set_of_shots([UNKNOWN] * 90 + ["medium"])):
        checklist = check(photos, look_at_captions(["x " * 30] * len(photos.photos), "Ada"))
        for message in (*(item.said for item in items_of(checklist)), *advise(checklist)):
            assert sentence(message, language)
    for word in (*map(kind_word, (*SHOTS, *POSES, UNKNOWN)), *map(problem_word, PROBLEMS)):
        assert sentence(word, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_problem_has_a_letter_of_its_own(language: str) -> None:
    letters = [sentence(badge_word(problem), language) for problem in PROBLEMS]
    assert len(set(letters)) == len(letters) and all(len(letter) == 1 for letter in letters)
