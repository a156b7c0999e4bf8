"""A likeness scorer from any transformers vision model in a local folder. Knows no sweep.

Legend: N pictures, C channels, H and W pixels, D numbers per picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..messages import Message, UserError
from ..training.model.weights import fingerprint

if TYPE_CHECKING:
    import PIL.Image

_LICENCE = re.compile(r"^license:\s*(?P<licence>\S+)", re.MULTILINE)


class TransformersImageEncoder:
    """Pictures to directions with a vision model (ResNet, DINOv2, CLIP, SigLIP ...) saved by transformers."""

    wants_faces = False

    def __init__(self, folder: Path, device: torch.device | str = "cpu", *, knows_scenes: bool = True) -> None:
        """`knows_scenes` is False for a model that was trained to tell persons apart whatever they wear.

        Raises UserError for a folder that is none of transformers' vision models. Nothing is downloaded.
        """
        from transformers import AutoImageProcessor, AutoModel

        self.name = folder.name
        self.knows_scenes = knows_scenes
        self.licence = _licence(folder)
        self.identity = f"{folder.name} {fingerprint(sorted(folder.glob('*.safetensors')))} {knows_scenes}"
        self._device = torch.device(device)
        try:
            self._processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")
            # Only safetensors: a pickled file could run code.
            model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise UserError("sweep.bad_encoder", path=folder, reason=str(error).splitlines()[0]) from error
        self._model = model.to(self._device, torch.float32).eval()

    @torch.inference_mode()
    def embed(self, images: Sequence[PIL.Image.Image]) -> torch.Tensor:
        """Rows of length one, [N, D], on the CPU."""
        rgb_images = [image.convert("RGB") for image in images]
        pixels_NCHW = self._processor(images=rgb_images, return_tensors="pt")["pixel_values"].to(self._device)
        # Models of pictures and text (CLIP, SigLIP) hand out the picture's side by itself.
        look = getattr(self._model, "get_image_features", self._model)
        output = look(pixel_values=pixels_NCHW)
        pooled = output if isinstance(output, torch.Tensor) else getattr(output, "pooler_output", None)
        if pooled is None:
            pooled = output.last_hidden_state.mean(dim=1)
        embeddings_ND = pooled.flatten(1).float()
        return torch.nn.functional.normalize(embeddings_ND, dim=1).cpu()


def _licence(folder: Path) -> Message:
    """What the model's card says of its licence."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    found = _LICENCE.search(text)
    if found is None:
        return Message("sweep.licence_unknown", {"name": folder.name})
    return Message("sweep.licence", {"name": folder.name, "licence": found["licence"]})
