"""Captioning: from a PhotoSet to a Dataset. What the user wrote wins over models, and these over the template."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from ..messages import Message
from ..photos.memo import Memo
from ..photos.photo import Photo, PhotoSet
from ..photos.threads import Progress, unheard
from .config import FEATURES, CaptionConfig
from .dataset import Dataset
from .edits import NO_EDITS, CaptionEdits, gone_message, photo_key
from .features import folder_word
from .linting.lint import lint
from .sources.kohya import with_repeats
from .sources.own import one_line, read_own_captions
from .sources.written import keep_captions
from .template import Known, caption_of, wants_look
from .vision.captioner import Captioner
from .vision.look import Vision, look_at_photos

CountTokens = Callable[[str], int]
"""How many tokens the text encoder makes of a caption."""


def caption_photos(
    photos: PhotoSet,
    config: CaptionConfig,
    *,
    edits: CaptionEdits = NO_EDITS,
    captioner: Captioner | None = None,
    memo: Memo | None = None,
    count_tokens: CountTokens | None = None,
    progress: Progress = unheard,
) -> Dataset:
    """Every photo with its caption (template.py says whose words win), and what there is to mend in them.

    Captions are also written as `.txt` beside working copies, and nowhere else. A captioner looks only at photos whose
    caption it has a say in, and what it says is kept in `memo`. Raises UserError where a caption cannot be written, and
    whatever `progress` raises to stop the work.
    """
    known, warnings = _what_users_wrote(photos, config)
    if captioner is not None:
        wanted = _wanting_look(photos, config, edits, known)
        if wanted and config.vision == FEATURES:
            wanted = photos.photos  # what is unusual shows only against all of them
        vision = look_at_photos(wanted, config, captioner, memo or Memo(None), progress)
        known, warnings = _with_seen(photos, known, vision), (*warnings, *vision.warnings)
    captioned = tuple(
        caption_of(photo, config, edits.of(photo), one) for photo, one in zip(photos.photos, known, strict=True)
    )
    keep_captions(captioned)
    captioned, repeated = with_repeats(captioned, config.subject)
    gone = gone_message(edits, (*photos.photos, *(one.photo for one in photos.set_aside)))
    dataset = Dataset(
        subject=one_line(config.subject),
        photos=captioned,
        photo_set=photos,
        warnings=(*photos.warnings, *warnings, *(one for one in (repeated, gone) if one)),
    )
    return dataclasses.replace(dataset, findings=lint(dataset, config, count_tokens))


def photos_to_look_at(photos: PhotoSet, config: CaptionConfig, edits: CaptionEdits) -> tuple[Photo, ...]:
    """The photos whose caption a vision model would have a say in: without any, none needs to be loaded."""
    return _wanting_look(photos, config, edits, _what_users_wrote(photos, config)[0])


def _what_users_wrote(photos: PhotoSet, config: CaptionConfig) -> tuple[list[Known], tuple[Message, ...]]:
    """What files and folders say of each photo, in order, and what was wrong with them."""
    own = read_own_captions(photos, config.subject)
    known = [
        Known(own=own.of.get(photo_key(photo)), folder=folder_word(photo, photos.folder)) for photo in photos.photos
    ]
    return known, own.warnings


def _wanting_look(
    photos: PhotoSet, config: CaptionConfig, edits: CaptionEdits, known: Sequence[Known]
) -> tuple[Photo, ...]:
    both = zip(photos.photos, known, strict=True)
    return tuple(photo for photo, one in both if wants_look(config, edits.of(photo), one))


def _with_seen(photos: PhotoSet, known: Sequence[Known], vision: Vision) -> list[Known]:
    """What is known with what a model has seen: features or sentences, whichever it was asked for."""
    seen = {**vision.features, **vision.sentences}
    both = zip(photos.photos, known, strict=True)
    return [dataclasses.replace(one, seen=seen.get(photo_key(photo), "")) for photo, one in both]
