"""Texts: the captions that a photo is learnt by: its own, the one when its own is dropped, the one with the class word.

Knows no encoder and no pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ...captions.dataset import Dataset
from ...captions.trigger import apply_trigger, class_caption
from ...messages import Message, UserError, name_some
from ..config import TrainConfig
from ..update.flow import named_generator


@dataclass(frozen=True, kw_only=True)
class Texts:
    """What is said of a photo."""

    caption: str
    dropped: str | None
    """Said where the caption is dropped: nothing, or the trigger word alone. None for a run that drops none."""
    as_class: str | None
    """The caption with the class word for the person. None for a run without preservation, and where no name is."""

    @property
    def all(self) -> tuple[str, ...]:
        """Each of them that there is."""
        return tuple(text for text in (self.caption, self.dropped, self.as_class) if text is not None)


def texts_of(dataset: Dataset, config: TrainConfig) -> tuple[tuple[Texts, ...], list[Message]]:
    """The texts of every photo, in order, and a warning that names the captions without anything to preserve.

    Without its caption a photo is still shown with the trigger word, so that the word alone comes to mean the person
    and the empty caption keeps its meaning. Raises UserError where the class word has no place in any caption.
    """
    texts = tuple(
        Texts(
            caption=apply_trigger(item.caption, config.trigger_word),
            dropped=apply_trigger("", config.trigger_word) if config.caption_dropout else None,
            as_class=_as_class(item.caption, dataset.subject, config),
        )
        for item in dataset.photos
    )
    nameless = [item.photo.source_path.name for item, text in zip(dataset.photos, texts) if text.as_class is None]
    if not config.preservation_class.strip() or not nameless:
        return texts, []
    if len(nameless) == len(texts):
        raise UserError("train.class_never_named", class_word=config.preservation_class, subject=dataset.subject)
    return texts, [Message("train.class_not_named", {"num": len(nameless), "names": name_some(nameless)})]


def _as_class(caption: str, subject: str, config: TrainConfig) -> str | None:
    class_word = config.preservation_class.strip()
    if not class_word:
        return None
    return class_caption(caption, subject=subject, trigger_word=config.trigger_word, class_word=class_word)


def is_caption_dropped(share: float, seed: int, place: int) -> bool:
    """Whether the caption is dropped at a place of the run: 0 for the first photo of the first step, and so on.

    Drops are spread evenly from a start that the seed draws, so that among any N places in a row N * share are dropped,
    rounded up or down. Which photos these are is left to the order of the photos, which is shuffled for every epoch.
    """
    start = torch.rand((), generator=named_generator(seed, "dropout"), dtype=torch.float64).item()
    return math.floor((place + 1) * share + start) > math.floor(place * share + start)
