"""Lint: what captions should say otherwise, in English and Chinese, with the fix that each finding offers."""

from __future__ import annotations

import dataclasses

import pytest

from tests.trainer.lint_sets import (
    CHINESE,
    ENGLISH,
    FACE,
    NO_FACE,
    VARIED,
    VARIED_ZH,
    dataset,
    fixed,
    kinds,
    photo,
)
from trainer.captions.config import CaptionConfig
from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.captions.edits import CaptionEdit
from trainer.captions.linting.lengths import num_words
from trainer.captions.linting.lint import FRAME_TOKENS, MAX_TOKENS, lint
from trainer.captions.template import Known, caption_of
from trainer.messages import LANGUAGES, sentence
from trainer.photos.photo import Face, Judgement

CLEAN = [
    (["a photo of Mila"] * 80, ENGLISH),
    ([None] * 80, ENGLISH),
    ([None] * 80, CHINESE),
    (["小美的照片"] * 80, CHINESE),
    (["a photo of Mila", "a photo of Mila with ponytail", "a photo of Mila without face"][:2] * 20, ENGLISH),
    (["a photo of Mila", "a photo of Mila with ponytail", "a photo of Mila in the snow"], ENGLISH),
    ([f"a photo of Mila {what}" for what in VARIED], ENGLISH),
    ([f"a photo of Mila woman {what}" for what in VARIED], ENGLISH),
    ([f"close-up portrait of Mila {what}" for what in VARIED], ENGLISH),
    ([f"a photo of [trigger] {what}" for what in VARIED], ENGLISH),
    ([f"小美的照片，{what}" for what in VARIED_ZH], CHINESE),
    ([f"小美的全身照，{what}" for what in VARIED_ZH], CHINESE),
    (["Mila with long black hair"] * 4, ENGLISH),
    (["Mila's portrait", "MILA at the sea", "[trigger] in a garden"], ENGLISH),
    (["a photo of Mila holding hands with a teddy bear", "a photo of Mila with a dog and two cats"], ENGLISH),
    (["Mila in a man's shirt", "Mila with her boyfriend's jacket", "Mila with the family dog"], ENGLISH),
    (["Mila with a baby blue bag", "Mila with a couple of books", "Mila holding a child seat"], ENGLISH),
    (["小美和狗", "小美的照片，一个人造卫星旁", "三人沙发上的小美", "多人沙发上的小美"], CHINESE),
    (
        ["a photo of Mila (2019)", "Mila, 3:2 crop", "Mila (crop 3:2)", "Mila (at 10:30)", "Mila taking a break"],
        ENGLISH,
    ),
    (["Mila «CAFÉ»", "Mila à la plage, naïve", "Mila in Ångström's garden", "It’s Mila – “hello”…"], ENGLISH),
    (["a photo of Mila " + "in a very wide landscape with trees and hills"] * 2, ENGLISH),
    ([], ENGLISH),
]


@pytest.mark.parametrize(("captions", "config"), CLEAN, ids=range(len(CLEAN)))
def test_good_captions_are_left_in_peace(captions: list[str | None], config: CaptionConfig) -> None:
    assert kinds(captions, config) == []


LONG = "a photo of Mila " + "by the sea under a wide sky " * 4
TWICE_GARBLED = "Mila in a café".encode().decode("latin-1").encode().decode("latin-1")
WANTING = [
    # kind, captions, config, positions concerned, what its fixes make of the first of them
    ("nameless", ["a photo of a young woman on a beach"], ENGLISH, [0], ["a photo of Mila on a beach"]),
    ("nameless", ["a photo of Mila", "sunset, beach"], ENGLISH, [1], ["a photo of Mila, sunset, beach"]),
    ("nameless", ["a photo of Camila"], ENGLISH, [0], ["a photo of Mila, a photo of Camila"]),
    ("nameless", ["the person at a bar"], ENGLISH, [0], ["Mila at a bar"]),
    ("nameless", ["portrait of woman in red"], ENGLISH, [0], ["portrait of Mila in red"]),
    ("nameless", ["a woman's hand"], ENGLISH, [0], ["Mila's hand"]),
    ("nameless", ["a photo of [name] at sea"], ENGLISH, [0], ["a photo of Mila at sea"]),
    ("nameless", [","], ENGLISH, [0], ["a photo of Mila"]),
    ("nameless", ["一个年轻的女人在海边"], CHINESE, [0], ["小美在海边"]),
    ("nameless", ["在海边"], CHINESE, [0], ["小美的照片，在海边"]),
    ("people", ["Mila and her friend at a bar"], ENGLISH, [0], ["Mila at a bar"]),
    ("people", ["a photo of Mila with another woman, smiling"], ENGLISH, [0], ["a photo of Mila, smiling"]),
    ("people", ["Mila is hugging her sister in a garden"], ENGLISH, [0], ["Mila in a garden"]),
    ("people", ["two women, one is Mila"], ENGLISH, [0], ["a photo of Mila"]),
    ("people", ["Mila in a group of people"], ENGLISH, [0], ["a photo of Mila"]),
    ("people", ["Mila, 2girls, sitting"], ENGLISH, [0], ["a photo of Mila"]),
    ("people", ["小美和朋友在咖啡馆"], CHINESE, [0], ["小美在咖啡馆"]),
    ("people", ["两个女孩，小美在左边"], CHINESE, [0], ["小美的照片"]),
    ("people", ["小美与家人合影"], CHINESE, [0], ["小美的照片"]),
    ("placeholder", ["a photo of Mila, [name]"], ENGLISH, [0], ["a photo of Mila"]),
    ("placeholder", ["a photo of Mila {hair} smiling"], ENGLISH, [0], ["a photo of Mila smiling"]),
    ("placeholder", ["Mila <|im_end|>"], ENGLISH, [0], ["Mila"]),
    ("placeholder", ["[主体]在海边"], CHINESE, [0], ["小美在海边"]),
    ("weights", ["(Mila:1.2) smiling, <lora:detail:0.8>"], ENGLISH, [0], ["Mila smiling"]),
    ("weights", ["((Mila with hat:1.3))"], ENGLISH, [0], ["Mila with hat"]),
    ("weights", ["Mila BREAK in a ((red)) dress"], ENGLISH, [0], ["Mila in a red dress"]),
    ("weights", [r"Mila \(singer\) at sea"], ENGLISH, [0], ["Mila (singer) at sea"]),
    ("mojibake", ["Mila in a cafÃ©"], ENGLISH, [0], ["Mila in a café"]),
    ("mojibake", ["Itâ€™s Mila"], ENGLISH, [0], ["It’s Mila"]),
    ("mojibake", ["Mila " + "小美在海边".encode().decode("latin-1")], ENGLISH, [0], ["Mila 小美在海边"]),
    ("mojibake", [TWICE_GARBLED], ENGLISH, [0], ["Mila in a café"]),
    ("mojibake", ["小美在海".encode().decode("gb18030")], CHINESE, [0], ["小美在海"]),
    ("mojibake", ["小美锟斤拷"], CHINESE, [0], ["小美的照片"]),
    ("long", ["a photo of Mila"] * 9 + [LONG], ENGLISH, [9], ["a photo of Mila"]),
    ("long", ["a photo of Mila"] * 9 + [LONG[:70]], ENGLISH, [9], ["a photo of Mila"]),
    ("long", ["小美的照片"] * 5 + ["小美，" + "背景是夕阳下的海边和远处的群山" * 4], CHINESE, [5], ["小美的照片"]),
    ("wordy", [LONG] * 2, ENGLISH, [0, 1], ["a photo of Mila"]),
    ("repeated", [f"Mila with long black hair {what}" for what in VARIED], ENGLISH, [*range(8)], ["Mila on a beach"]),
    ("repeated", [f"Mila, blue eyes, {what}" for what in VARIED], ENGLISH, [*range(8)], ["Mila, on a beach"]),
    ("repeated", [f"Mila, an old woman {what}" for what in VARIED], ENGLISH, [*range(8)], ["Mila, a woman on a beach"]),
    ("repeated", [f"Mila's long hair {what}" for what in VARIED], ENGLISH, [*range(8)], ["Mila on a beach"]),
    ("repeated", [f"Mila, {what}, her hair tied back" for what in VARIED], ENGLISH, [*range(8)], ["Mila, on a beach"]),
    ("repeated", [f"小美有着黑色长发，{what}" for what in VARIED_ZH], CHINESE, [*range(8)], ["小美，在海边"]),
    ("repeated", [f"小美微笑着{what}" for what in VARIED_ZH], CHINESE, [*range(8)], ["小美在海边"]),
    ("repeated", [f"小美，{'黑棕'[n % 2]}色长发，{what}" for n, what in enumerate(VARIED_ZH)], CHINESE, [*range(8)],
     ["小美，在海边"]),
    ("maybe_too_long", ["Mila " + "x" * 600] * 2, ENGLISH, [0, 1], ["a photo of Mila"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "captions", "config", "places", "mended"),
    WANTING,
    ids=[f"{case[0]}-{number}" for number, case in enumerate(WANTING)],
)
def test_what_is_wanting_is_found_in_its_photos_and_mended(
    kind: str, captions: list[str | None], config: CaptionConfig, places: list[int] | None, mended: list[str] | None
) -> None:
    findings = [finding for finding in lint(dataset(captions, config), config) if finding.kind == kind]
    assert findings
    if places is not None:
        first = findings[0]
        assert first.photos == tuple(f"hash {place}" for place in places)
        assert [fix.edits[first.photos[0]].caption for fix in first.fixes if first.photos[0] in fix.edits] == mended


FACELESS = [
    # what the user wrote, what was found, policy -> kind, and what each fix makes of the caption
    (None, NO_FACE, "ask", "faceless_question", ["a photo of Mila without face", "a photo of Mila"]),
    ("Mila without face", FACE, "ask", "faceless_wrong", ["Mila", "Mila without face"]),
    ("Mila, no face", FACE, "ask", "faceless_wrong", ["Mila", "Mila, no face"]),
    ("Mila at sea, face not visible", FACE, "ask", "faceless_wrong", ["Mila at sea", "Mila at sea, face not visible"]),
    ("Mila, headless, at sea", FACE, "ask", "faceless_wrong", ["Mila, at sea", "Mila, headless, at sea"]),
    ("Mila，看不到脸", FACE, "ask", "faceless_wrong", ["Mila", "Mila，看不到脸"]),
    ("Mila at the sea", NO_FACE, "ask", "faceless_not_told", ["Mila at the sea without face", "Mila at the sea"]),
    ("Mila smiling", NO_FACE, "ask", "face_told", ["Mila smiling"]),
    ("Mila looking at the camera", NO_FACE, "ask", "face_told", ["Mila looking at the camera"]),
    ("Mila 对着镜头微笑", NO_FACE, "ask", "face_told", ["Mila 对着镜头微笑"]),
    ("Mila smiling without face", NO_FACE, "ask", "face_told", ["Mila smiling"]),
    ("Mila smiling", NO_FACE, "ignore", None, []),
    ("Mila smiling", FACE, "ask", None, []),
    ("Mila at the sea", NO_FACE, "ignore", None, []),
    ("Mila at the sea", None, "ask", None, []),
    ("Mila with a face mask", NO_FACE, "ignore", None, []),
    (None, NO_FACE, "set", None, []),
    (None, NO_FACE, "ignore", None, []),
    (None, FACE, "ask", None, []),
    (None, Judgement(detector="none"), "ask", None, []),
]  # fmt: skip


@pytest.mark.parametrize(("caption", "judgement", "policy", "kind", "mended"), FACELESS, ids=range(len(FACELESS)))
def test_a_missing_face_is_asked_about_and_a_wrong_word_is_named(
    caption: str | None, judgement: Judgement | None, policy: str, kind: str | None, mended: list[str]
) -> None:
    config = dataclasses.replace(ENGLISH, faceless_photos=policy)
    findings = lint(dataset([caption], config, judgement=judgement), config)
    assert [finding.kind for finding in findings] == ([kind] if kind else [])
    for finding in findings:
        after = [fixed([caption], fix, config=config, judgement=judgement) for fix in finding.fixes]
        assert [one.photos[0].caption for one in after] == mended
        assert all(not lint(one, config) for one in after)


def test_an_unsure_face_is_neither_asked_about_nor_called_absent() -> None:
    unsure = Judgement(detector="mtcnn", faces=(Face(box=(0, 0, 0.1, 0.1), confidence=0.95, retried=True),))
    assert kinds([None], judgement=unsure) == kinds(["Mila smiling"], judgement=unsure) == []


def test_a_feature_that_every_template_caption_has_is_taken_out_as_a_feature() -> None:
    edit = CaptionEdit(feature="ponytail, glasses")
    items = tuple(caption_of(photo(n), ENGLISH, edit, Known()) for n in range(20))
    found = lint(Dataset(subject="Mila", photos=items), ENGLISH)
    assert [one.message.values["phrase"] for one in found] == ["ponytail and glasses"]
    assert found[0].fixes[0].edits["hash 0"] == CaptionEdit(feature="")
    edits = [CaptionEdit(feature=f"ponytail, {what}") for what in VARIED]
    items = tuple(caption_of(photo(n), ENGLISH, edit, Known()) for n, edit in enumerate(edits))
    (found_one,) = lint(Dataset(subject="Mila", photos=items), ENGLISH)
    assert found_one.fixes[0].edits["hash 0"] == CaptionEdit(feature="on a beach")


def test_the_template_that_mends_a_caption_keeps_what_is_unusual_in_the_photo() -> None:
    told = [CaptionedPhoto(photo=photo(n), caption=LONG, feature="ponytail", origin="file") for n in range(2)]
    (found,) = lint(Dataset(subject="Mila", photos=tuple(told)), ENGLISH)
    assert found.fixes[0].edits["hash 0"].caption == "a photo of Mila with ponytail"


@pytest.mark.parametrize(("num_tokens", "is_found"), [(MAX_TOKENS - FRAME_TOKENS, False), (MAX_TOKENS, True)])
def test_with_a_tokenizer_the_length_is_exact(num_tokens: int, is_found: bool) -> None:
    caption = "Mila " + "word " * 200
    findings = lint(dataset([caption, caption]), ENGLISH, lambda _: num_tokens)
    assert ("too_long" in [finding.kind for finding in findings]) == is_found


@pytest.mark.parametrize(
    ("caption", "words"), [("a photo of Ada", 4), ("一张小美的照片", 4), ("小美 in red", 3), ("", 0)]
)
def test_words_are_counted_in_both_scripts(caption: str, words: int) -> None:
    assert num_words(caption) == words


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_finding_and_every_fix_can_be_said(language: str) -> None:
    captions = [captions for _, captions, config, _, _ in WANTING if config is ENGLISH]
    for finding in (found for texts in captions for found in lint(dataset(texts), ENGLISH)):
        told = [sentence(finding.message, language), *(sentence(fix.label, language) for fix in finding.fixes)]
        assert all(told) and str(len(finding.photos)) in told[0]
