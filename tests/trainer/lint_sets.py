"""Sets of captions for the tests of lint: made by the product's own template, with what users wrote in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.captions.config import CaptionConfig
from trainer.captions.dataset import FILE, Dataset, Fix
from trainer.captions.edits import NO_EDIT, CaptionEdit
from trainer.captions.linting.lint import lint
from trainer.captions.sources.own import OwnCaption
from trainer.captions.template import Known, caption_of
from trainer.photos.photo import Face, Judgement, Photo

ENGLISH = CaptionConfig(subject="Mila")
CHINESE = CaptionConfig(subject="小美", template="[subject]的照片", class_word="女人")
FACE, NO_FACE = (
    Judgement(detector="mtcnn", faces=(Face(box=(0.2, 0.2, 0.4, 0.4), confidence=1.0),)),
    Judgement(detector="mtcnn"),
)
VARIED = ("on a beach", "in a park", "reading", "smiling", "at night", "in a red dress", "by a window", "with a dog")
VARIED_ZH = ("在海边", "在公园", "看书", "微笑", "夜晚", "穿红裙", "坐在窗边", "抱着狗")


def photo(number: int, judgement: Judgement | None = FACE) -> Photo:
    """A photo that edits know as `hash <number>`."""
    path = Path(f"{number}.png")
    return Photo(
        path=path, source_path=path, width_px=64, height_px=64, content_hash=f"hash {number}", judgement=judgement
    )


def dataset(
    captions: Sequence[str | None],
    config: CaptionConfig = ENGLISH,
    judgement: Judgement | None = FACE,
    edits: Mapping[str, CaptionEdit] | None = None,
) -> Dataset:
    """The photos with the captions that the user wrote beside them; None leaves one to the template."""
    items = []
    for number, caption in enumerate(captions):
        known = Known(own=OwnCaption(text=caption, origin=FILE) if caption is not None else None)
        edit = (edits or {}).get(f"hash {number}", NO_EDIT)
        items.append(caption_of(photo(number, judgement), config, edit, known))
    return Dataset(subject=config.subject, photos=tuple(items))


def kinds(
    captions: Sequence[str | None], config: CaptionConfig = ENGLISH, judgement: Judgement | None = FACE
) -> list[str]:
    """What lint finds, in its order."""
    return [finding.kind for finding in lint(dataset(captions, config, judgement), config)]


def fixed(
    captions: Sequence[str | None], *fixes: Fix, config: CaptionConfig = ENGLISH, judgement: Judgement | None = FACE
) -> Dataset:
    """The dataset once the user has clicked these fixes."""
    edits = {key: edit for fix in fixes for key, edit in fix.edits.items()}
    return dataset(captions, config, judgement, edits)
