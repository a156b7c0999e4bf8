"""Laws of lint, over random captions: fixes mend, order does not matter, no text is too odd, time grows evenly."""

from __future__ import annotations

import dataclasses
import random
import re
import time
from pathlib import Path

import pytest

from tests.trainer.conftest import POCKET
from tests.trainer.lint_sets import CHINESE, ENGLISH, FACE, NO_FACE, VARIED, VARIED_ZH, dataset, fixed, photo
from trainer.captions.config import CaptionConfig
from trainer.captions.dataset import CaptionedPhoto, Dataset, Finding
from trainer.captions.linting.lint import lint
from trainer.captions.linting.phrases import phrase_spans, pieces_of, repeated, what_is_shared
from trainer.captions.linting.removal import tidy, without_phrase

ODD = [
    "a photo of Mila", "Mila", "a young woman", "with long black hair", "and her friend", "without face", "headless",
    "smiling", "in a (red:1.3) dress", "two men", "[name]", ", blue eyes", "on a beach", "小美", "和朋友", "cafÃ©",
    "<lora:x:1>", "and a hat", ",", "的照片", "穿着红裙", "by the sea under a wide and cloudy sky full of grey birds",
]  # fmt: skip
LIKE_PROSE = (
    ("a photo of Mila", "Mila", "Mila is", "portrait of Mila"),
    ("with long black hair", "with a ponytail and glasses", "wearing a red dress", "smiling at the camera", "sitting"),
    ("and blue eyes", "and a hat", ", blue eyes", ", in a white shirt", ""),
    (*VARIED, ", against a white background", ", her hair tied back", ""),
)
LIKE_PROSE_ZH = (
    ("小美的照片", "小美", "一张小美的照片"),
    ("，黑色长发", "有着黑色长发", "戴着眼镜", "，微笑着", "，穿着白色衬衫"),
    ("和蓝眼睛", "，棕色长发", "和帽子", ""),
    tuple(f"，{what}" for what in VARIED_ZH),
)
DANGLING = re.compile(
    r"(?<![\w'’-])(?:with|and|or|of|in|wearing|has|is|an?|the|her)\s*(?:$|[,.;])"
    r"|^[\s,.;，。；、]|[\s,;，；、]$|[,，、]\s*[,，、]|  |\0|(?:带着|有着|戴着|穿着|和|与|、)(?:$|[，。])|着着|，的"
    r"|\bwith (?:with|and|in|on|by|at)\b"
)  # fmt: skip


def test_every_fix_mends_what_it_is_offered_for() -> None:
    """Applied to its photos, the finding no longer names them; all fixes that go together leave none."""
    rng = random.Random(5)
    for round_index in range(40):
        config, judgement = rng.choice([ENGLISH, CHINESE]), rng.choice([FACE, NO_FACE, None])
        captions: list[str | None] = [" ".join(rng.sample(ODD, rng.randint(1, 6))) for _ in range(12)]
        for finding in lint(dataset(captions, config, judgement), config):
            assert finding.fixes, (round_index, finding)
            for fix in finding.fixes:
                after = fixed(captions, fix, config=config, judgement=judgement)
                again = [one for one in lint(after, config) if _is_same(one, finding)]
                named = {key for one in again for key in one.photos}
                assert not set(fix.edits) & named, (captions, finding, fix)
                assert not named or named <= set(finding.photos) - set(fix.edits), (captions, finding, fix)
                assert all(item.caption == " ".join(item.caption.split()) and item.caption for item in after.photos)
            covered = {key for fix in finding.fixes for key in fix.edits}
            assert covered == set(finding.photos), (captions, finding)


def _is_same(one: Finding, other: Finding) -> bool:
    values, others = one.message.values, other.message.values
    return one.kind == other.kind and values.get("phrase") == others.get("phrase")


@pytest.mark.parametrize(("parts", "config"), [(LIKE_PROSE, ENGLISH), (LIKE_PROSE_ZH, CHINESE)], ids=["en", "zh"])
def test_a_caption_stays_well_formed_when_a_phrase_is_taken_out(parts: tuple, config: CaptionConfig) -> None:
    rng, between = random.Random(9), "" if config is CHINESE else " "
    num_fixes = 0
    for _ in range(80):
        some = [rng.sample(group, min(len(group), 2)) for group in parts]
        captions = [between.join(filter(None, map(rng.choice, some))).replace(" ,", ",") for _ in range(10)]
        if any(DANGLING.search(caption) for caption in captions):
            continue
        for finding in lint(dataset(captions, config), config):
            for fix in finding.fixes:
                num_fixes += 1
                for item in fixed(captions, fix, config=config).photos:
                    assert not DANGLING.search(item.caption), (finding.message.values, captions, item.caption)
                    assert config.subject in item.caption
    assert num_fixes > 30


def test_what_is_found_does_not_depend_on_the_order_of_the_photos() -> None:
    rng = random.Random(2)
    captions = [f"Mila with {rng.choice(['Long', 'long'])} black hair {what}" for what in VARIED] + ["two women"] * 2
    there = dataset([*captions, ODD[-1] * 3])
    back = dataclasses.replace(there, photos=there.photos[::-1])
    one, other = (
        [(found.kind, found.message.values.get("phrase"), set(found.photos)) for found in lint(each, ENGLISH)]
        for each in (there, back)
    )
    assert one == other and len(one) >= 4
    assert lint(dataclasses.replace(there, findings=lint(there, ENGLISH)), ENGLISH) == lint(there, ENGLISH)


def test_any_text_can_be_looked_at() -> None:
    rng = random.Random(7)
    letters = [*range(32, 126), *range(0x4E00, 0x4E20), *range(0xC0, 0xF8), 0xD800, 0x1F600, 0x130, 0xDF, 0, 10, 0x5B]
    for length in (0, 1, 3, 30, 30, 30, 200, 700) * 3:
        text = "".join(chr(rng.choice(letters)) for _ in range(length))
        subject = rng.choice(["Mila", "ß", "İ", "(", "小美", text[:3] or "x"])
        items = tuple(CaptionedPhoto(photo=photo(number), caption=text) for number in range(9))
        lint(Dataset(subject=subject, photos=items), ENGLISH, lambda caption: len(caption.encode("utf-8")))


@pytest.mark.parametrize("hostile", ["(" * 3000, "[" * 3000, "a " * 3000, "and a " * 1000, "Ã" * 3000, ", " * 3000])
def test_no_caption_takes_long(hostile: str) -> None:
    started_s = time.process_time()
    lint(dataset([f"Mila {hostile}"] * 9), ENGLISH)
    assert time.process_time() - started_s < 2


def test_time_grows_with_the_captions_not_with_their_pairs() -> None:
    rng = random.Random(3)
    words = [f"word{number}" for number in range(400)]

    def seconds(num: int) -> float:
        given = dataset(["a photo of Mila " + " ".join(rng.choices(words, k=15)) for _ in range(num)])
        started_s = time.process_time()
        lint(given, ENGLISH)
        return time.process_time() - started_s

    small, large = min(seconds(100) for _ in range(3)), min(seconds(500) for _ in range(3))
    assert large < 1 and large < 10 * small


def test_a_token_is_a_byte_or_more_so_short_captions_need_no_tokenizer() -> None:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    folders = [POCKET / "tokenizer", Path.home() / "ComfyUI" / "comfy" / "text_encoders" / "qwen25_tokenizer"]
    rng = random.Random(1)
    for folder in filter(Path.is_dir, folders):
        tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        for _ in range(50):
            letters = [*range(32, 126), 0x5C0F, 0x7F8E, 0x1F600, 0x0E01]
            text = "".join(chr(rng.choice(letters)) for _ in range(rng.randint(1, 80)))
            assert len(tokenizer(text).input_ids) <= len(text.encode("utf-8"))


def test_a_phrase_counts_once_and_its_words_only_where_they_stand_alone() -> None:
    captions = [f"Mila with long black hair {what}" for what in VARIED]
    shared = what_is_shared("Mila", ["a photo of"])
    assert list(repeated(captions, shared)) == ["long black hair"]
    assert list(repeated([*captions, *(f"her hair, {what}" for what in VARIED * 2)], shared)) == ["hair"]
    some_smile = [f"{caption} and smiling" if number % 3 else caption for number, caption in enumerate(captions * 2)]
    assert list(repeated(some_smile, shared)) == ["long black hair", "smiling"]


TAKEN_OUT = [
    ("Mila with long hair and glasses", "long hair", "Mila with glasses"),
    ("Mila with glasses and long hair", "long hair", "Mila with glasses"),
    ("Mila with black hair", "black", "Mila with hair"),
    ("Mila with long black hair", "hair", "Mila"),
    ("Mila, a young woman", "young", "Mila, a woman"),
    ("a young artist, Mila", "young", "an artist, Mila"),
    ("Mila, long hair, smiling", "long hair", "Mila, smiling"),
    ("Long hair. Mila smiles.", "long hair", "Mila smiles."),
    ("long hair", "long hair", ""),
    ("Mila (long hair) at sea", "long hair", "Mila at sea"),
    ("Mila with a long hair, a hat", "long hair", "Mila, a hat"),
    ("Mila is smiling", "smiling", "Mila"),
    ("小美，黑色长发，微笑", "黑色长发", "小美，微笑"),
    ("小美有黑色长发和眼镜", "黑色长发", "小美有眼镜"),
    ("小美有黑色的长发", "长发", "小美"),
    ("小美穿黑色的裙子", "黑色", "小美穿裙子"),
    ("王小红长发", "长发", "王小红"),
    ("王小红的皮肤白皙，微笑", "皮肤白皙", "王小红，微笑"),
    ("王小红有一双大眼睛，微笑", "大眼睛", "王小红，微笑"),
    ("王小红，背景是海边", "背景", "王小红，海边"),
    ("Mila, the background is a cafe", "background", "Mila, a cafe"),
]


@pytest.mark.parametrize(("caption", "phrase", "left"), TAKEN_OUT, ids=range(len(TAKEN_OUT)))
def test_a_phrase_is_taken_out_with_the_words_that_held_it(caption: str, phrase: str, left: str) -> None:
    shared = what_is_shared("王小红" if "王" in caption else "Mila", ["a photo of"])
    assert without_phrase(caption, phrase, shared) == left
    assert not phrase_spans(pieces_of(left, shared), phrase)


def test_a_caption_from_which_nothing_is_taken_stays_as_it_is() -> None:
    for caption in ("Mila 在海边, at sea", "Mila... and (2019) — “hello”", "小美 with a hat", "(Mila) v1.5, 3:2"):
        assert tidy(caption) == caption
