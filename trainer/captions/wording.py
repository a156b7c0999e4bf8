"""Wording: how a caption says what is unusual and that there is no face, in its own language. Knows no photos."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .config import CLASS, FEATURE, SUBJECT, CaptionConfig
from .faceless import says_faceless

ENGLISH_FEATURE, CHINESE_FEATURE = f"with {FEATURE}", f"带着{FEATURE}"
ENGLISH_FACELESS, CHINESE_FACELESS = "without face", "没有露脸"
_STANDS_ALONE = re.compile(
    r"(?:without|wearing|holding|carrying|in|on|at|under|behind|beside|between|sitting|standing|lying|leaning|kneeling"
    r"|walking|running|jumping|dancing|smiling|laughing|looking|seen)\s"
    r"|带(?![子鱼状])|戴|穿|扎|梳|留|拿|抱|披|系着|有|没|无|在|坐|站|躺|靠|蹲|骑|举|手[拿持捧]|背(?![景影面部心])",
    re.IGNORECASE,
)
"""How features begin that need no `with` or 带着 before them."""
_CHINESE = re.compile("[\u3400-\u9fff]")
_LATIN = re.compile("[A-Za-z]")
_FULL_STOP = re.compile(r"\s*[.。!！]*\s*$")


@dataclass(frozen=True, kw_only=True)
class Wording:
    """The words for features and for a missing face."""

    is_chinese: bool
    feature: str
    """`[feature]` stands for the feature."""
    faceless: str

    def bare(self, features: Sequence[str]) -> str:
        """The features without the words in front of them: of `with ponytail` and `glasses`, `ponytail, glasses`."""
        return ", ".join(filter(None, (bare(feature, self.feature) for feature in features)))

    def completed(self, text: str, features: Sequence[str], *, is_faceless: bool) -> str:
        """A caption with what is said of features and of a missing face, which it does not say yet.

        That stands where `[feature]` is, else at the end, before a full stop.
        """
        if is_faceless:
            features = [feature for feature in features if not says_faceless(feature, self.faceless)]
        parts = self._of_features([feature for feature in features if not _says(text, bare(feature, self.feature))])
        if is_faceless and not says_faceless(text, self.faceless):
            parts.append(self.faceless)
        said = ("，" if self.is_chinese else " ").join(parts)
        if FEATURE in text:
            first, _, rest = text.partition(FEATURE)
            text = first + said + rest.replace(FEATURE, "")
            return text if said else _tidy(text)
        if not said:
            return text
        stop = _FULL_STOP.search(text)
        assert stop is not None
        between = "" if not text[: stop.start()] else "，" if self.is_chinese else " "
        return f"{text[: stop.start()]}{between}{said}{stop[0].strip()}"

    def _of_features(self, features: Sequence[str]) -> list[str]:
        """`with a, b and c`, then those that stand alone, e.g. `wearing glasses`."""
        bares = [words for feature in features if (words := bare(feature, self.feature))]
        alone = [feature for feature in bares if _STANDS_ALONE.match(feature)]
        named = [feature for feature in bares if feature not in alone]
        if not named:
            return alone
        *first, last = named
        comma, both = ("、", "和") if self.is_chinese else (", ", " and ")
        return [self.feature.replace(FEATURE, f"{comma.join(first)}{both}{last}" if first else last), *alone]


def wording_for(text: str, config: CaptionConfig) -> Wording:
    """The words that suit a caption: the user's, else those of its language."""
    chinese = is_chinese(text, config.subject)
    return Wording(
        is_chinese=chinese,
        feature=config.feature_wording.strip() or (CHINESE_FEATURE if chinese else ENGLISH_FEATURE),
        faceless=config.faceless_wording.strip() or (CHINESE_FACELESS if chinese else ENGLISH_FACELESS),
    )


def bare(feature: str, wording: str = "") -> str:
    """A feature without the `with` or 带着 in front of it, or the wording's own words there; articles stay."""
    own = re.escape(wording.partition(FEATURE)[0].strip())
    before = re.match(rf"(?:with\b|带着|带有{f'|{own}(?![A-Za-z0-9])' if own else ''})\s*", feature, re.IGNORECASE)
    return feature[before.end() :] if before else feature


def is_chinese(text: str, subject: str = "") -> bool:
    """Whether a caption is Chinese, names aside; a caption of nothing but the name has the name's language."""
    words = text.replace(CLASS, " ").replace(FEATURE, " ").replace(SUBJECT, " ").replace(subject.strip() or " ", " ")
    if _CHINESE.search(words) or _LATIN.search(words):
        return bool(_CHINESE.search(words))
    return bool(_CHINESE.search(subject))


def _says(text: str, feature: str) -> bool:
    """Whether a caption names a feature already, as whole words."""
    return bool(re.search(rf"(?<![A-Za-z0-9]){re.escape(feature)}(?![A-Za-z0-9])", text, re.IGNORECASE))


def _tidy(text: str) -> str:
    """A caption without the commas and blanks around a place that stayed empty."""
    text = re.sub(r"\s+(?=[,.;，。；])", "", " ".join(text.split()))
    text = re.sub(r"([,;，；])(?:\s*[,;，；])+", r"\1", text)
    return re.sub(r"^[\s,;，；]+|[\s,;，；]+(?=[.。]?$)", "", text)
