"""CaptionConfig: how photos are captioned."""

from __future__ import annotations

from dataclasses import dataclass

from ..messages import UserError
from ..settings import check_settings, setting

SUBJECT = "[subject]"
CLASS = "[class]"
FEATURE = "[feature]"
ASK, SET, IGNORE = "ask", "set", "ignore"
FEATURES, FULL = "features", "full"


@dataclass(frozen=True, kw_only=True)
class CaptionConfig:
    """How photos are captioned. Raises UserError for an empty subject, or a template with no place for it."""

    subject: str = setting("", "The name the captions use for the person, e.g. Merlina. Prompts use it later.")
    template: str = setting(
        f"a photo of {SUBJECT}",
        f"The caption of every photo that has no .txt file of its own; {SUBJECT} stands for the subject. "
        f"What is unusual comes at its end, or where you write {FEATURE}.",
    )
    class_word: str = setting(
        "person",
        "What the subject is, e.g. woman, man, cat: what a vision model is asked about. "
        f"{CLASS} in the template stands for it.",
    )
    faceless_photos: str = setting(
        ASK,
        'What to do where no face was found. ask: the plain caption, until you say on the node; set: "without face" '
        "at once; ignore: the plain caption. Detectors miss 9 to 23 of 100 faces.",
        choices=(ASK, SET, IGNORE),
    )
    vision: str = setting(
        FEATURES,
        "What a vision model is for, where one is connected. features: it is asked only what is unusual in a photo, "
        'and the caption ends in a short "with ..."; full: it writes one sentence on what varies.',
        choices=(FEATURES, FULL),
    )
    feature_wording: str = setting(
        "",
        f"How a feature is added to the template; {FEATURE} stands for it. Empty: with {FEATURE}, or "
        f"带着{FEATURE} after a Chinese template.",
        advanced=True,
    )
    faceless_wording: str = setting(
        "",
        "How a photo without a face is told. Empty: without face, or 没有露脸 after a Chinese template.",
        advanced=True,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.subject.strip():
            raise UserError("captions.no_subject")
        if SUBJECT not in self.template:
            raise UserError("captions.no_place_for_subject", template=self.template)
        if self.feature_wording.strip() and FEATURE not in self.feature_wording:
            raise UserError("captions.no_place_for_feature", wording=self.feature_wording)
