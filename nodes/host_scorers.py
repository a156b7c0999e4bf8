"""Scorers in ComfyUI: its CLIP vision models, and a face encoder where the user has one installed.

Legend: N pictures, D numbers per picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import PIL.Image
import PIL.ImageOps
import torch

from ..trainer.messages import Message
from ..trainer.sweep.scoring.facenet import installed_face_encoder
from ..trainer.sweep.scoring.scorer import Scorer
from . import host
from .core_identity import files_of, network_identity
from .pictures import to_tensor

_GREY = (127, 127, 127)


def scorer_for(clip_vision: object | None) -> Scorer | None:
    """The model on the socket, else a face encoder that is installed with its weights, else none."""
    return ClipVisionScorer(clip_vision) if clip_vision is not None else installed_face_encoder()


class ClipVisionScorer:
    """Any of ComfyUI's image encoders (CLIP, SigLIP, DINO), on its device."""

    knows_scenes = True
    wants_faces = False

    def __init__(self, clip_vision: Any) -> None:
        self._clip_vision = clip_vision
        files = ", ".join(path.name for path in files_of(clip_vision.patcher))
        self.name = files or clip_vision.model_type
        self.identity = f"clip vision {network_identity(clip_vision.patcher, clip_vision.config)}"
        self.licence = Message("sweep.licence_unknown", {"name": self.name})

    def embed(self, images: Sequence[PIL.Image.Image]) -> torch.Tensor:
        """Rows of length one, [N, D], on the CPU."""
        rows = []
        for image in images:
            host.stop_if_cancelled()
            side = max(image.size)  # padded, not cut: a photo of the whole body keeps its head
            square_NHW3 = to_tensor(PIL.ImageOps.pad(image, (side, side), color=_GREY))
            rows.append(self._embedding(self._clip_vision.encode_image(square_NHW3)))
        return torch.nn.functional.normalize(torch.cat(rows), dim=1)

    def _embedding(self, found: Any) -> torch.Tensor:
        """One row, [1, D]. Of DINO and SigLIP core hands out all places: their mean stands for the picture."""
        embeds = found["image_embeds"]
        if not isinstance(embeds, torch.Tensor):
            embeds = found["last_hidden_state"]
        return (embeds.mean(dim=1) if embeds.dim() == 3 else embeds).float().cpu()
