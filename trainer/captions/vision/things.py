"""Things: the short phrases of a model's answer, sorted by kind and made comparable between photos. Counts nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .answers import ENDLESS, Cleaned

KINDS = HAIR, HEAD, ACCESSORIES, CLOTHES, OBJECTS, BACKGROUND, OTHER = (
    "hair", "head", "accessories", "clothes", "objects", "background", "other",
)  # fmt: skip
"""What is asked about, in the question's order; `other` is what a model says without keeping to the lines."""

_LABELS = {
    HAIR: r"hair ?style|hair|发型|头发",
    HEAD: r"headwear|head ?gear|head|eyewear|头饰|头部|帽饰",
    ACCESSORIES: r"accessor(?:y|ies)|jewel(?:le)?ry|配饰|首饰|饰品",
    CLOTHES: r"clothes|clothing|outfit|衣服|衣着|服装|穿着",
    OBJECTS: r"objects?|props?|items?|held|物品|道具",
    BACKGROUND: r"background|place|location|setting|背景|地点|场景",
}
_LABEL = re.compile(
    r"(?:^|[\n,;，；{。|]|(?<=\.))[ \t\"'*\-]*(?:"
    + "|".join(f"(?P<{kind}>{words})" for kind, words in _LABELS.items())
    + r")[ \t\"'*]*[:：]",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[,，、;；/\n]| and | & |和|以及")
_NOTHING = re.compile(
    r"(?:none|no(?:thing)?|n/?a|not? [\w -]+|without [\w -]+|unknown|unclear|plain|same|usual"
    r"|无|没有.*|没|不详|未知|看不[到清见].*|未[见戴持].*|不可见)",
    re.IGNORECASE,
)
_CONSTANT = re.compile(
    r"\b(?:eyes?|eyebrows?|face|facial|skin|complexion|smil\w+|expression|years?|aged?|young|old|elderly|adult|body|slim"
    r"|lips?|nose|cheeks?|freckles|woman|man|girl|boy|person|lady|guy|female|male|human)\b"
    r"|眼睛|眉|脸|皮肤|肤色|笑|表情|年轻|年龄|岁|身材|嘴|鼻|女人|男人|女孩|男孩|女性|男性|人物",
    re.IGNORECASE,
)
"""The person, not what the person wears or holds."""
_EYEWEAR = re.compile(r"眼镜|eye ?glasses|face ?mask", re.IGNORECASE)
_LEADING = re.compile(
    r"^(?:(?:wearing|wears|holding|holds|carrying|with|in|on|at|a|an|the|some|his|her|their|its|worn|is|are)\s+)+"
    r"|^(?:戴着?|穿着?|拿着?|抱着?|背着|手持|手里拿着?|扎着?|梳着?|在|一[个只顶副条件杯本束把])+",
    re.IGNORECASE,
)
_TAIL = re.compile(r"\s+(?:with|in|on|of|near|behind|under|over|from|to|at|by|that|which|worn)\s.*$", re.IGNORECASE)
_COLOUR_ZH = re.compile(r"^(?:[浅深淡亮暗]?[红黄蓝绿白黑灰紫粉橙棕金银米褐青]色?的?)+(?=.)")
_STYLES = (
    (r"pig ?tails?|twin ?tails?|double ponytail|双马尾", "pigtails", "双马尾"),
    (r"pony ?tail|马尾", "ponytail", "马尾"),
    (r"half[- ]?up|半扎", "half-up hair", "半扎发"),
    (r"braid|plait|cornrow|辫", "braid", "辫子"),
    (r"\bbuns?\b|chignon|top ?knot|丸子头|发髻|道士头", "bun", "丸子头"),
    (r"up-?do|pinned up|(?:tied|put|pulled) up|hair up|盘", "updo", "盘发"),
    (r"(?:tied|pulled|slicked|combed|swept) ?-?back|\btied\b|扎|束|背头", "hair tied back", "束起的头发"),
    (r"\bwet\b|湿", "wet hair", "湿发"),
    (r"loose|down|open|flowing|natural|straight|wav[ye]|curl|long|short|medium|shoulder|披|散|放下|自然|直发|卷|长发|短发",
     "loose hair", "披散的头发"),
)  # fmt: skip
"""How hair is worn: models have many words for few things. Curls and lengths stay the same, so they count as loose."""
_NO_STYLE = re.compile(
    r"cover|hidden|hat\b|cap\b|hood|hair$|\b(?:black|brown|blonde?|red|gr[ae]y|white|dark|light|auburn|ginger)$"
    r"|遮|帽|头发$|^.{0,2}色$"
)
"""Hair that is not seen, and colours alone."""
_MOST_WORDS, _MOST_CHARACTERS, _MOST_PHRASES, _MOST_LETTERS = 4, 10, 3, 20


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One thing a model has seen in a photo."""

    kind: str
    """One of KINDS."""
    head: str
    """What it is counted by: `cap` for `red baseball cap`."""
    phrase: str
    """What a caption says of it."""


def things_in(cleaned: Cleaned, *, in_chinese: bool) -> tuple[tuple[Thing, ...], str | None]:
    """The things an answer names, each once; and why there is no telling, if so."""
    text = cleaned.text
    if cleaned.is_cut:  # the last words may be half of something
        text = text[: max((match.start() for match in re.finditer(r"[\n,;，、；。.]", text)), default=0)]
        if not text.strip():
            return (), ENDLESS
    found: dict[tuple[str, str], Thing] = {}
    for kind, said in _by_kind(text):
        if _NOTHING.fullmatch(said.strip(" .。")):
            continue
        parts = [said] if kind == HAIR else _BETWEEN.split(said)[:_MOST_PHRASES]  # hair is worn in one way
        for part in parts:
            thing = _thing(kind, part, in_chinese)
            if thing is not None:
                found.setdefault((thing.kind, thing.head), thing)
    return tuple(found.values()), None


def _by_kind(text: str) -> list[tuple[str, str]]:
    """Kinds with what is said of each; all of it is `other` where the answer has no such lines."""
    labels = list(_LABEL.finditer(text))
    if not labels:
        return [(OTHER, text)]
    ends = [label.start() for label in labels[1:]] + [len(text)]
    values = (text[label.end() : end].strip(" \t\n{}\"'") for label, end in zip(labels, ends, strict=True))
    return [(str(label.lastgroup), value.split("\n")[0]) for label, value in zip(labels, values, strict=True)]


def _thing(kind: str, said: str, in_chinese: bool) -> Thing | None:
    """A phrase as a thing of its kind; None where it names nothing, or the person."""
    phrase = re.sub(r"[(（\[].*$", "", said).strip(" \t\"'*.。!！{}[]-").lower()
    if not phrase or _NOTHING.fullmatch(phrase):
        return None
    if kind == HAIR:
        return _hairstyle(phrase, in_chinese)
    phrase = _LEADING.sub("", _TAIL.sub("", phrase)).strip()
    if not phrase or _NOTHING.fullmatch(phrase) or (_CONSTANT.search(phrase) and not _EYEWEAR.search(phrase)):
        return None
    if in_chinese:
        phrase = phrase.replace(" ", "")
        head = _COLOUR_ZH.sub("", phrase)
        head = head[:-1] if len(head) > 1 and head.endswith("子") else head
        return None if len(phrase) > _MOST_CHARACTERS else Thing(kind=kind, head=head, phrase=phrase)
    words = phrase.split()[-_MOST_WORDS:]
    last = words[-1]
    head = last[:-1] if last.endswith("s") and not last.endswith("ss") else last
    return Thing(kind=kind, head=head, phrase=" ".join(words))


def _hairstyle(phrase: str, in_chinese: bool) -> Thing | None:
    """How hair is worn, without its colour and length."""
    for pattern, english, chinese in _STYLES:
        if re.search(pattern, phrase):
            return Thing(kind=HAIR, head=english, phrase=chinese if in_chinese else english)
    words = _COLOUR_ZH.sub("", phrase) if in_chinese else " ".join(_LEADING.sub("", phrase).split()[-2:])
    if _NO_STYLE.search(phrase) or _CONSTANT.search(phrase) or "," in words or len(words) > _MOST_LETTERS:
        return None
    return Thing(kind=HAIR, head=words, phrase=words)
