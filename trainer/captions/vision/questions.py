"""Questions: what a vision model is asked about a photo, in the template's language. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import FULL, CaptionConfig
from ..sources.own import one_line
from ..wording import is_chinese

_CLASS_WORDS = {
    "person": "人", "woman": "女人", "man": "男人", "girl": "女孩", "boy": "男孩", "cat": "猫", "dog": "狗",
}  # fmt: skip
"""The class words that are understood in both languages; others are asked as they are."""

# A class word is asked about, not the name: models refuse to "identify" people, misspell invented names, and a subject
# that is renamed needs no new answers. sentences.py puts the name in.
_FEATURES_EN = """Look at this photo of one {person}. What could be different in other photos of the same {person}?
Answer with these six lines and nothing else, after each colon at most three words, or none:
hair style: how the hair is worn, not its colour or length
headwear: what is worn on the head or over the eyes
accessories: jewellery, scarf, bag or the like
clothes: the main garment
objects: what is held, or an animal close by
background: the place
Never mention face, eyes, skin, age or body."""
_FEATURES_ZH = """请看这张照片里的{person}。与同一个{person}的其他照片相比，哪些地方可能不同？
只回答下面六行，每个冒号后最多六个字，没有就写“无”：
发型：头发怎么梳，不写颜色和长短
头饰：头上或眼睛上戴的东西
配饰：首饰、围巾、包等
衣服：主要的衣服
物品：手里拿的东西，或身边的动物
背景：地点
不要写脸、眼睛、皮肤、年龄和身材。"""
_SENTENCE_EN = (
    "Describe this photo of one {person} in one sentence of at most 35 words. "
    'Begin with "A photo of the {person}" and mention the {person} only there. '
    "Say what is worn, the pose, the place, the light, and how much of the {person} is in the picture. "
    "Never describe what always stays the same: face, eyes, skin, age, body, colour and length of the hair. "
    "Answer with that sentence only."
)
_SENTENCE_ZH = (
    "用一句话描述这张{person}的照片，最多六十个字。以“{person}”开头，并且只在开头提到。"
    "写出穿着、姿势、地点、光线和取景范围。不要描述始终不变的东西：脸、眼睛、皮肤、年龄、身材、发色和头发长短。"
    "只回答这一句话。"
)
_FEATURES_TOKENS, _SENTENCE_TOKENS = 128, 192
"""Twice what a good answer takes in any tokenizer, so that only a bad one is cut."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked about every photo."""

    text: str
    max_tokens: int


def question_for(config: CaptionConfig) -> Question:
    """The question of `config.vision`, in the language of the template."""
    in_chinese, person = asks_in_chinese(config), person_word(config)
    if config.vision == FULL:
        text = _SENTENCE_ZH if in_chinese else _SENTENCE_EN
        return Question(text=text.replace("{person}", person), max_tokens=_SENTENCE_TOKENS)
    text = _FEATURES_ZH if in_chinese else _FEATURES_EN
    return Question(text=text.replace("{person}", person), max_tokens=_FEATURES_TOKENS)


def person_word(config: CaptionConfig) -> str:
    """The class word in the language of the template."""
    word = one_line(config.class_word) or "person"
    if asks_in_chinese(config):
        return _CLASS_WORDS.get(word.lower(), word)
    return next((english for english, chinese in _CLASS_WORDS.items() if chinese == word), word)


def asks_in_chinese(config: CaptionConfig) -> bool:
    """Whether questions, and so answers, are Chinese: where the template is."""
    return is_chinese(config.template, config.subject)
