"""Captioner: a vision language model as captions need one. Implementations: transformers_captioner.py, and a host's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image

_MEMORY_WORDS = ("out of memory", "not enough memory", "can't allocate memory")


@dataclass(frozen=True)
class Answer:
    """What a model has said, as it said it."""

    text: str
    is_cut: bool = False
    """Whether the limit of tokens came before the model's own end."""


class Captioner(Protocol):
    """Looks at one picture and answers one question; the same answer every time."""

    name: str
    """The model and its weights: answers are kept under it."""

    def answer(self, picture: Image, question: str, max_tokens: int) -> Answer:
        """What the model says of an RGB picture, at most `max_tokens` long; may be empty, or nonsense.

        What it raises is not remembered as an answer.
        """
        ...


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether a model failed for want of memory, the device's or the machine's; most libraries say so only in words."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _MEMORY_WORDS)
