"""HostEncoders: the user's own CLIP and VAE as the trainer's Encoders, so that training sees what inference sees."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..trainer.messages import UserError
from .core_identity import clip_identity, vae_identity
from .host import claim_memory

_NUM_LATENT_CHANNELS = 16


class HostEncoders:
    """A CLIP and a VAE of ComfyUI. Cheap to construct: identities and weights are looked at when first asked for."""

    def __init__(self, clip: Any, vae: Any) -> None:
        self._clip = clip
        self._vae = vae

    @cached_property
    def text_identity(self) -> str:
        """Changes whenever `encode_text` would give other numbers."""
        return clip_identity(self._clip)

    @cached_property
    def image_identity(self) -> str:
        """Changes whenever `encode_image` would give other numbers."""
        return vae_identity(self._vae)

    def encode_text(self, caption: str) -> Tensor:
        """Text features of a caption, [num_tokens, width], fp32 on the CPU."""
        with torch.inference_mode():
            conditioning = self._clip.encode_from_tokens_scheduled(self._clip.tokenize(caption))
        return _ordinary(conditioning[0][0][0])

    def encode_image(self, image_HWC: Tensor) -> Tensor:
        """The VAE's mean latents of an image [H, W, 3] in 0..1: [16, H/8, W/8], unscaled, fp32 on the CPU."""
        with torch.inference_mode():
            latents = self._vae.encode(image_HWC[None])
        if latents.ndim != 4 or latents.shape[1] != _NUM_LATENT_CHANNELS:
            raise UserError("host.wrong_vae", shape=tuple(latents.shape))
        return _ordinary(latents[0])

    def release(self) -> None:
        """Unload ComfyUI's models."""
        claim_memory()


@torch.inference_mode(False)
def _ordinary(tensor: Tensor) -> Tensor:
    """A copy that autograd may save; tensors made under inference mode may not be."""
    return tensor.to("cpu", torch.float32).clone()
