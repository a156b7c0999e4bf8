"""HostEncoders: the user's own CLIP and VAE as the trainer's Encoders, so that training sees what inference sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..trainer.messages import Message, UserError
from ..trainer.training.data.encoders import OneByOne
from .core_identity import clip_identity, vae_identity
from .host import claim_memory

_NUM_LATENT_CHANNELS = 16
_WHY_ONE_BY_ONE = Message("host.captions_one_by_one")
_LARGEST_DIFFERENCE = 0.05
"""Of a caption's features beside others, by what they are alone: half formats round differently in larger products."""


class HostEncoders:
    """A CLIP and a VAE of ComfyUI. Cheap to construct: identities and weights are looked at when first asked for."""

    def __init__(self, clip: Any, vae: Any) -> None:
        self._clip = clip
        self._vae = vae
        self._together_is_proven = False

    @cached_property
    def text_identity(self) -> str:
        """Changes whenever `encode_texts` would give other numbers."""
        return clip_identity(self._clip)

    @cached_property
    def image_identity(self) -> str:
        """Changes whenever `encode_images` would give other numbers."""
        return vae_identity(self._vae)

    def encode_texts(self, captions: Sequence[str]) -> list[Tensor]:
        """Text features of each caption, [num_tokens, width], fp32 on the CPU; one pass for several.

        Raises OneByOne where this CLIP does not give each of several captions what it gives it alone.
        """
        tokens = [self._clip.tokenize(caption) for caption in captions]
        if len(tokens) == 1:
            return [self._encode(tokens[0])]
        features, lengths = self._encode(_side_by_side(tokens)), [len(_only_section(one)) for one in tokens]
        if len(features) != len(tokens) * max(lengths):
            raise OneByOne(_WHY_ONE_BY_ONE)
        found = [
            features_TD[:length] for features_TD, length in zip(features.split(max(lengths)), lengths, strict=True)
        ]
        if not self._together_is_proven:
            shortest = lengths.index(min(lengths))
            alone = self._encode(tokens[shortest])
            if alone.shape != found[shortest].shape or _difference(found[shortest], alone) > _LARGEST_DIFFERENCE:
                raise OneByOne(_WHY_ONE_BY_ONE)
            self._together_is_proven = True
        return found

    def _encode(self, tokens: Any) -> Tensor:
        with torch.inference_mode():
            conditioning = self._clip.encode_from_tokens_scheduled(tokens)
        return _ordinary(conditioning[0][0][0])

    def encode_images(self, images_BHWC: Tensor) -> Tensor:
        """The VAE's mean latents of images [B, H, W, 3] in 0..1: [B, 16, H/8, W/8], unscaled, fp32 on the CPU."""
        with torch.inference_mode():
            latents = self._vae.encode(images_BHWC)
        if latents.ndim != 4 or latents.shape[:2] != (len(images_BHWC), _NUM_LATENT_CHANNELS):
            raise UserError("host.wrong_vae", shape=tuple(latents.shape))
        return _ordinary(latents)

    def release(self) -> None:
        """Unload ComfyUI's models."""
        claim_memory()


@torch.inference_mode(False)
def _ordinary(tensor: Tensor) -> Tensor:
    """A copy that autograd may save; tensors made under inference mode may not be."""
    return tensor.to("cpu", torch.float32).clone()


def _only_section(tokens: Mapping[str, list[list[Any]]]) -> list[Any]:
    """What core's tokenizers make of a caption, where it is one section of one encoder. Raises OneByOne elsewhere."""
    sections = [section for sections in tokens.values() for section in sections]
    if len(sections) != 1:
        raise OneByOne(_WHY_ONE_BY_ONE)
    return sections[0]


def _side_by_side(tokens: Sequence[Mapping[str, list[list[Any]]]]) -> dict[str, list[list[Any]]]:
    """Captions as the sections of one long prompt, which core encodes in one pass, one behind the other in the result.

    The last token fills up the shorter ones: it stands behind them, where no token of theirs looks.
    """
    (name,), sections = tokens[0], [_only_section(one) for one in tokens]
    longest = max(map(len, sections))
    return {name: [section + section[-1:] * (longest - len(section)) for section in sections]}


def _difference(found: Tensor, wanted: Tensor) -> float:
    return ((found - wanted).norm() / wanted.norm()).item()
