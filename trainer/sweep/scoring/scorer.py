"""Scorer: what everything that can tell persons or pictures apart has to offer. Knows none of them.

Legend: N pictures, D numbers per picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import PIL.Image
    import torch

    from ...messages import Message


class Scorer(Protocol):
    """Turns pictures into directions: the more alike what they show, the smaller the angle.

    Nothing is downloaded by one: its weights are the user's own files.
    """

    name: str
    """For people: which model judged."""
    licence: Message
    """Under which terms its weights stand, as far as they say so themselves."""
    identity: str
    """Changes whenever it would give other numbers."""
    knows_scenes: bool
    """Whether it sees clothes and places too. One that knows nothing but faces or figures cannot tell prompts apart."""
    wants_faces: bool
    """Whether it is for faces alone, so that a picture without one cannot be judged by it."""

    def embed(self, images: Sequence[PIL.Image.Image]) -> torch.Tensor:
        """Rows of length one, [N, D], on the CPU, of RGB pictures."""
        ...
