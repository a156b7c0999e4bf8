"""Given: a dataset as the rules of lint look at it, and how they say what they found. Finds nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ...messages import Message, name_some
from ...photos.folder import shown_path
from ..config import CaptionConfig
from ..dataset import CaptionedPhoto, Dataset, Finding, Fix
from ..edits import CaptionEdit, photo_key
from ..features import split_features
from ..template import filled
from ..wording import is_chinese, wording_for


@dataclass(frozen=True)
class Given:
    """A dataset, and what its captions were made with."""

    dataset: Dataset
    config: CaptionConfig
    count_tokens: Callable[[str], int] | None

    @property
    def items(self) -> tuple[CaptionedPhoto, ...]:
        """The photos with their captions."""
        return self.dataset.photos

    @property
    def subject(self) -> str:
        """The name the captions use for the person."""
        return self.dataset.subject

    @cached_property
    def template_caption(self) -> str:
        """The caption of a photo of which nothing is known."""
        return self.from_template((), is_faceless=False)

    def from_template(self, features: Sequence[str], *, is_faceless: bool) -> str:
        """The template's caption for a photo."""
        wording = wording_for(self.config.template, self.config)
        return filled(wording.completed(self.config.template, features, is_faceless=is_faceless), self.config)

    def template_text(self, item: CaptionedPhoto, is_wrong: Callable[[str], object]) -> str | None:
        """The template's caption for this photo, with what is unusual in it unless that is wrong; None if all is."""
        is_faceless = item.is_faceless and item.face is not True
        whole = self.from_template(split_features(item.feature), is_faceless=is_faceless)
        return next((text for text in (whole, self.template_caption) if not is_wrong(text)), None)

    @cached_property
    def comma(self) -> str:
        """What parts clauses in the template's language."""
        return "，" if is_chinese(self.config.template, self.subject) else ", "

    def finding(self, kind: str, items: Sequence[CaptionedPhoto], *fixes: Fix | None, **values: object) -> Finding:
        """What is to be said of these photos. A fix that is None there is not."""
        folder = self.dataset.photo_set.folder if self.dataset.photo_set else None
        paths = [item.photo.source_path for item in items]
        names = name_some([shown_path(path, folder) if folder else path.name for path in paths])
        message = Message(
            f"captions.lint.{kind}", {"count": len(items), "names": names, "subject": self.subject, **values}
        )
        return Finding(
            kind=kind, message=message, photos=tuple(map(key_of, items)), fixes=tuple(fix for fix in fixes if fix)
        )  # fmt: skip

    def template_fix(self, items: Sequence[CaptionedPhoto], is_wrong: Callable[[str], object]) -> Fix | None:
        """The template's captions for these photos, with what is unusual in them where that is not what is wrong."""
        texts = {key_of(item): self.template_text(item, is_wrong) for item in items}
        edits = {key: CaptionEdit(caption=text) for key, text in texts.items() if text is not None}
        return fix("captions.fix.template", edits)


def fix(label: str, edits: Mapping[str, CaptionEdit], **values: object) -> Fix | None:
    """The fix, if there is anything it mends."""
    return Fix(label=Message(label, {"count": len(edits), **values}), edits=edits) if edits else None


def key_of(item: CaptionedPhoto) -> str:
    """What edits know the photo by."""
    return photo_key(item.photo)
