"""People: words by which a caption speaks of somebody beside the subject. Knows no photos.

Conservative: dogs, statues' hands, a man's shirt and the family's car are nobody.
"""

from __future__ import annotations

import re

from ..trigger import whole_word
from .removal import tidy

_KIN = (
    "friends?|husband|wife|partner|boyfriend|girlfriend|fianc[eé]e?|mother|mom|mum|father|dad|parents|grand(?:mother|father|ma|pa"
    "|parents)|brothers?|sisters?|siblings|sons?|daughters?|child|children|kids?|baby|babies|toddler|family|colleagues?|coworkers?"
    "|classmates?|teammates?|twin"
)
_SOMEBODY = "man|woman|boy|girl|lady|guy|person|people|men|women|boys|girls|ladies|guys|strangers?"
_GO_ON = (
    r"(?=\s*(?:$|[^\w\s'’-])|\s+(?:and|or|in|on|at|of|by|near|under|behind|beside|inside|outside|from|next|while|who|is|are|with"
    r"|during|both|together|to|as|\w+ing)\b)"
)
"""What may follow people; `a man's shirt`, `family car` and `baby doll` go on otherwise."""
_WITH = r"\b(?:and|with|hugging|kissing|holding|carrying|embracing|(?:standing|sitting) (?:beside|behind|next to))"
_ENGLISH = (
    rf"{_WITH} (?:an?|the|her|his|their|another|other|some|two|three)\s(?:(?!(?:stuffed|toy|statue)\b)\w+\s)??"
    rf"(?:{_KIN}|{_SOMEBODY})\b{_GO_ON}"
    rf"|\b(?:and|with) (?:others|friends|family|somebody else|someone else|another person)\b{_GO_ON}"
    rf"|\b(?:two|three|four|five|six|several|many|some|multiple|both|[2-9])[ _]?(?:other\s|young\s|old\s)?"
    rf"(?:people|persons|women|men|girls|boys|friends|adults|children|kids|ladies|others)\b{_GO_ON}"
    r"|\b1girl, ?1boy\b|\b1boy, ?1girl\b"
    r"|\b(?:a )?(?:group|crowd|couple|line|row) of (?:\w+ )?"
    r"(?:people|women|men|girls|boys|friends|persons|children|kids|adults)\b"
)
_WHO = "女人|男人|女孩子?|男孩子?|女生|男生|女士|男士|女子|男子|孩子|小孩|朋友|老人|成年人"
_NOT_PLACE = "(?![种行像造沙床座桌间房份称世])"
_CHINESE = (
    rf"(?<!第)[两二三四五六七八几](?:个|位|名)(?:年轻)?(?:人{_NOT_PLACE}|{_WHO})|(?<!第)[两二三四五六七八]人{_NOT_PLACE}"
    rf"|(?:许多|很多|一群|一对|多个|多位|多名)(?:年轻)?(?:人{_NOT_PLACE}|{_WHO}|情侣|夫妻)|合影|合照|双人照"
    "|(?:和|与|跟)(?:她|他)?的?(?:另?一?[个位名])?(?:好?朋友们?|闺蜜|家人|丈夫|妻子|老公|老婆|伴侣|男友|女友|男朋友|女朋友|妈妈|母亲"
    "|爸爸|父亲|父母|爷爷|奶奶|哥哥|姐姐|弟弟|妹妹|儿子|女儿|孩子们?|宝宝|同学们?|同事们?|队友|别人|其他人|他人)(?!气)"
    f"|(?:和|与|跟)(?:另外?)?一?[个位名](?:人{_NOT_PLACE}|{_WHO})"
)
_PEOPLE = re.compile(f"{_ENGLISH}|{_CHINESE}", re.IGNORECASE)
_ADDED = re.compile(rf"{_WITH} |[和与跟]", re.IGNORECASE)


def other_people(caption: str, subject: str) -> str:
    """The first words by which a caption speaks of people beside the subject; empty for none."""
    found = _PEOPLE.search(_without_name(caption, subject))
    return " ".join(found[0].split()) if found else ""


def without_people(caption: str) -> str:
    """The caption without people who are only added to it; those that are its sentence stay."""
    return tidy(_PEOPLE.sub(lambda found: "\0" if _ADDED.match(found[0]) else found[0], caption))


def _without_name(caption: str, subject: str) -> str:
    """A name such as `Two Girls` is no people."""
    return whole_word(subject).sub("_", caption) if subject else caption
