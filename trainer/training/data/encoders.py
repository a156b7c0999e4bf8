"""What the trainer asks of a text encoder and a VAE, wherever they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from ...messages import Message


class Encoders(Protocol):
    """A text encoder and a VAE, wherever they come from. Constructing one is cheap; weights load when first needed."""

    text_identity: str
    """Changes whenever `encode_texts` would give other numbers."""
    image_identity: str
    """Changes whenever `encode_images` would give other numbers."""

    def encode_texts(self, captions: Sequence[str]) -> list[Tensor]:
        """Text features of each caption, [num_tokens, width], fp32 on the CPU. May raise OneByOne for several."""

    def encode_images(self, images_BHWC: Tensor) -> Tensor:
        """The VAE's mean latents of images [B, H, W, 3] in 0..1: [B, 16, H/8, W/8], unscaled, fp32 on the CPU."""

    def release(self) -> None:
        """Give back the memory of the weights."""


class OneByOne(Exception):
    """An encoder that cannot take several captions at once; `reason` is for the user."""

    def __init__(self, reason: Message) -> None:
        super().__init__(reason)
        self.reason = reason
