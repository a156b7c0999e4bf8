"""Looking at photos: what is unusual is what the set seldom shows; each photo is asked about once; nothing is lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from tests.trainer.conftest import save_photo
from trainer.captions.config import FULL, CaptionConfig
from trainer.captions.vision.captioner import Answer
from trainer.captions.vision.look import Vision, look_at_photos
from trainer.captions.vision.questions import question_for
from trainer.messages import Message, UserError, sentence
from trainer.photos.memo import Memo
from trainer.photos.photo import Photo

CONFIG = CaptionConfig(subject="Merlina", class_word="woman")
CHINESE = CaptionConfig(subject="小美", class_word="woman", template="[subject]的照片")
SENTENCES = CaptionConfig(subject="Merlina", class_word="woman", vision=FULL)


class Written:
    """A captioner that says what is written down for a picture's width, and counts. `fails_at` is a width."""

    name = "written"

    def __init__(self, said: Mapping[int, str], fails_at: int = 0, error: Exception | None = None) -> None:
        self.said, self.fails_at, self.error = said, fails_at, error
        self.asked: list[tuple[int, str, int]] = []

    def answer(self, picture: Image.Image, question: str, max_tokens: int) -> Answer:
        assert picture.mode == "RGB" and max(picture.size) <= 768 and min(picture.size) >= 32
        self.asked.append((picture.width, question, max_tokens))
        if picture.width == self.fails_at and self.error:
            raise self.error
        return Answer(self.said[picture.width])


def photos_and_answers(folder: Path, answers: list[str]) -> tuple[list[Photo], dict[int, str]]:
    """A photo for each answer; a photo's width tells which it is."""
    photos = [save_photo(folder / f"{index:02}.png", 40 + index, 40, seed=index) for index in range(len(answers))]
    return photos, {40 + index: answer for index, answer in enumerate(answers)}


def lines(hair: str = "loose", head: str = "none", clothes: str = "shirt", held: str = "none", at: str = "room") -> str:
    said = {"hair style": hair, "headwear": head, "accessories": "none", "clothes": clothes, "objects": held}
    return "\n".join(f"{label}: {words}" for label, words in (said | {"background": at}).items())


def features(folder: Path, answers: list[str], config: CaptionConfig = CONFIG) -> list[str]:
    """The feature of each photo, in order."""
    photos, said = photos_and_answers(folder, answers)
    vision = look_at_photos(photos, config, Written(said), Memo(None))
    assert not vision.sentences
    return [vision.features.get(photo.content_hash, "") for photo in photos]


OUTFITS = ["red dress", "blue jeans", "grey suit", "coat", "sweater", "jacket", "skirt", "hoodie", "blouse", "vest"]
PLACES = ["park", "street", "room", "beach", "forest", "office", "kitchen", "bar", "train", "garden"]
SETS = {
    "a ponytail where the hair is open": ([lines()] * 8 + [lines(hair="ponytail")] * 2, [""] * 8 + ["ponytail"] * 2),
    "open hair where there is a ponytail": (
        [lines(hair="high ponytail")] * 8 + [lines(hair="long hair down")] * 2, [""] * 8 + ["loose hair"] * 2),
    "many words for open hair": (
        [lines(hair=hair) for hair in ("loose", "wavy", "brown, straight", "down", "long curly hair", "braid")],
        [""] * 5 + ["braid"]),
    "the same glasses everywhere are the person": ([lines(head="glasses")] * 10, [""] * 10),
    "no glasses where there are always some is not a word": (
        [lines(head="glasses")] * 9 + [lines()], [""] * 10),
    "glasses once": ([lines()] * 9 + [lines(head="black glasses")], [""] * 9 + ["black glasses"]),
    "another outfit each time is nothing unusual": ([lines(clothes=one) for one in OUTFITS], [""] * 10),
    "another place each time is nothing unusual": ([lines(at=one) for one in PLACES], [""] * 10),
    "one dress among shirts": ([lines()] * 9 + [lines(clothes="a red dress")], [""] * 9 + ["red dress"]),
    "one beach among rooms": ([lines()] * 9 + [lines(at="the beach")], [""] * 9 + ["beach background"]),
    "something else in hand each time": (
        [lines()] * 7 + [lines(held=one) for one in ("cup of coffee", "a black cat", "phone")],
        [""] * 7 + ["cup", "black cat", "phone"]),
    "half and half is not rare": ([lines()] * 5 + [lines(hair="bun")] * 5, [""] * 10),
    "two things at most, the rarest first": (
        [lines()] * 8 + [lines(hair="bun", head="hat", held="cat"), lines(hair="bun")],
        [""] * 8 + ["hat, cat", "bun"]),
    "most photos stay plain": (
        [lines()] * 4 + [lines(hair="bun")] * 3 + [lines(head="hat")] * 2 + [lines(held="cat")],
        [""] * 4 + [""] * 3 + ["hat"] * 2 + ["cat"]),
    "the person is never a feature": (
        [lines()] * 9 + [lines(head="blue eyes", held="smiling woman", hair="brown hair")], [""] * 10),
    "a list without lines": (["none"] * 8 + ["sunglasses, cup"] + ["none"], [""] * 8 + ["cup, sunglasses"] + [""]),
}  # fmt: skip


@pytest.mark.parametrize("case", SETS)
def test_unusual_is_what_the_set_seldom_shows(case: str, tmp_path: Path) -> None:
    answers, expected = SETS[case]
    assert features(tmp_path, answers) == expected


def test_chinese_features_come_with_their_verbs(tmp_path: Path) -> None:
    usual = "发型：披散\n头饰：无\n配饰：无\n衣服：白衬衫\n物品：无\n背景：室内"
    rare = "发型：高马尾\n头饰：黑色墨镜\n配饰：无\n衣服：蓝色衬衫\n物品：无\n背景：室内"
    assert features(tmp_path, [usual] * 9 + [rare], CHINESE) == [""] * 9 + ["梳着马尾, 戴着黑色墨镜"]
    assert question_for(CHINESE).text.startswith("请看这张照片里的女人。")


def test_questions_ask_of_the_class_and_not_of_the_name() -> None:
    for config in (CONFIG, SENTENCES):
        assert "woman" in question_for(config).text and "Merlina" not in question_for(config).text
    cat = dataclasses.replace(CONFIG, class_word="cat")
    assert "of one cat" in question_for(cat).text


def test_sentences_name_the_subject_once_and_bad_answers_are_named(tmp_path: Path) -> None:
    good = "A photo of the woman on a beach."
    photos, said = photos_and_answers(tmp_path, [good, "I'm sorry, I can't help.", "", "the the " * 60, good])
    vision = look_at_photos(photos, SENTENCES, Written(said), Memo(None))
    assert vision.sentences == {photos[i].content_hash: "a photo of Merlina on a beach" for i in (0, 4)}
    told = [sentence(warning, "en") for warning in vision.warnings]
    assert [next(name for name in ("01.png", "02.png", "03.png") if name in text) for text in told] == [
        "01.png", "02.png", "03.png",
    ]  # fmt: skip
    assert "I'm sorry, I can't help." in told[0]
    assert [warning.key.rpartition("_")[2] for warning in vision.warnings] == ["refused", "empty", "endless"]


def test_a_bad_answer_does_not_count_in_the_set(tmp_path: Path) -> None:
    answers = [lines()] * 5 + ["I'm sorry, I can't."] * 4 + [lines(hair="bun")]
    assert features(tmp_path, answers) == [""] * 9 + ["bun"]


def test_known_photos_are_not_asked_about_again_and_bad_answers_neither(tmp_path: Path) -> None:
    photos, said = photos_and_answers(tmp_path / "photos", [lines()] * 5 + [""])
    memo, first, second = Memo(tmp_path / "memo"), Written(said), Written(said)
    seen = look_at_photos(photos, CONFIG, first, memo)
    assert look_at_photos(photos, CONFIG, second, memo) == seen
    assert (len(first.asked), len(second.asked)) == (6, 0)
    renamed = dataclasses.replace(CONFIG, subject="Ada")
    look_at_photos(photos, renamed, second, memo)
    assert not second.asked, "the name is no part of the question"


def test_another_question_model_or_file_is_asked_about_anew(tmp_path: Path) -> None:
    photos, said = photos_and_answers(tmp_path / "photos", [lines()] * 5)
    memo, captioner = Memo(tmp_path / "memo"), Written(said)
    look_at_photos(photos, CONFIG, captioner, memo)
    look_at_photos(photos, SENTENCES, captioner, memo)
    look_at_photos(photos, CHINESE, captioner, memo)
    other = Written(said)
    other.name = "other"
    look_at_photos(photos, CONFIG, other, memo)
    look_at_photos([dataclasses.replace(photos[0], content_hash="changed"), *photos[1:]], CONFIG, captioner, memo)
    assert (len(captioner.asked), len(other.asked)) == (16, 5)


def test_photos_added_to_a_set_are_the_only_ones_asked_about_and_counting_is_redone(tmp_path: Path) -> None:
    photos, said = photos_and_answers(
        tmp_path / "photos", [lines(hair="bun")] + [lines()] * 3 + [lines(hair="bun")] * 5
    )
    memo, captioner = Memo(tmp_path / "memo"), Written(said)
    few = look_at_photos(photos[:5], CONFIG, captioner, memo)
    assert few.features == {} and len(captioner.asked) == 5, "two buns in five photos are not rare"
    more = look_at_photos(photos, CONFIG, captioner, memo)
    assert set(more.features) == {photo.content_hash for photo in photos[1:4]} and len(captioner.asked) == 9
    assert set(more.features.values()) == {"loose hair"}


def test_what_is_done_before_a_cancel_is_kept(tmp_path: Path) -> None:
    photos, said = photos_and_answers(tmp_path / "photos", [lines()] * 6)
    memo, captioner = Memo(tmp_path / "memo"), Written(said)

    def cancelling(done: int, total: int, doing: Message) -> None:
        assert total == 6 and sentence(doing, "en").endswith(f"{min(done, 5):02}.png")
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look_at_photos(photos, CONFIG, captioner, memo, cancelling)
    assert len(captioner.asked) == 4
    look_at_photos(photos, CONFIG, captioner, memo)
    assert [width for width, _, _ in captioner.asked] == [40, 41, 42, 43, 44, 45]


@pytest.mark.parametrize(
    "error, key",
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "captions.vision_memory"),
        (MemoryError(), "captions.vision_memory"),
        (RuntimeError("shape mismatch\nat layer 3"), "captions.vision_failed"),
    ],
)
def test_a_failing_model_stops_with_the_photos_name_and_is_not_remembered(
    error: Exception, key: str, tmp_path: Path
) -> None:
    photos, said = photos_and_answers(tmp_path / "photos", [lines()] * 5)
    memo = Memo(tmp_path / "memo")
    with pytest.raises(UserError) as caught:
        look_at_photos(photos, CONFIG, Written(said, 43, error), memo)
    message = caught.value.message
    assert message.key == key and message.values["name"] == "03.png"
    assert (message.values["done"], message.values["total"]) == (3, 5)
    again = Written(said)
    look_at_photos(photos, CONFIG, again, memo)
    assert [width for width, _, _ in again.asked] == [43, 44]


def test_damaged_memory_of_answers_is_asked_again(tmp_path: Path) -> None:
    photos, said = photos_and_answers(tmp_path / "photos", ["A photo of the woman."])
    memo, captioner = Memo(tmp_path / "memo"), Written(said)
    look_at_photos(photos, SENTENCES, captioner, memo)
    (kept,) = (tmp_path / "memo").iterdir()
    for damage in ("", "[]", '{"text": 3}'):
        kept.write_text(damage)
        look_at_photos(photos, SENTENCES, captioner, memo)
    assert len(captioner.asked) == 4


def test_large_photos_are_shown_small_and_small_ones_as_they_are(tmp_path: Path) -> None:
    large = save_photo(tmp_path / "large.png", 1600, 1200, seed=1)
    captioner = Written({768: "A photo of the woman."})
    look_at_photos([large], SENTENCES, captioner, Memo(None))
    assert captioner.asked[0][0] == 768


def test_with_few_photos_nothing_is_usual_and_nobody_is_asked(tmp_path: Path) -> None:
    photos, said = photos_and_answers(tmp_path, [lines()] * 3 + [lines(hair="bun")])
    captioner = Written(said)
    vision = look_at_photos(photos, CONFIG, captioner, Memo(None))
    assert not vision.features and not captioner.asked
    assert "4" in sentence(vision.warnings[0], "en") and "full" in sentence(vision.warnings[0], "en")


def test_a_narrow_strip_is_shown_wide_enough(tmp_path: Path) -> None:
    strip = save_photo(tmp_path / "strip.png", 800, 9, seed=1)
    captioner = Written({768: "A photo of the woman."})
    look_at_photos([strip], SENTENCES, captioner, Memo(None))
    assert len(captioner.asked) == 1


def test_no_photos_no_questions() -> None:
    assert look_at_photos([], CONFIG, Written({}), Memo(None)) == Vision()
