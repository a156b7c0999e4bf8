"""Pictures: ComfyUI's image tensors and PIL's images, one from the other. Knows no server.

Legend: N pictures, H and W pixels; the last axis is red, green, blue.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
import torch


def to_tensor(image: PIL.Image.Image) -> torch.Tensor:
    """An image as ComfyUI's IMAGE, [1, H, W, 3] in 0..1."""
    return torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32) / 255)[None]


def to_picture(image_NHW3: torch.Tensor) -> PIL.Image.Image:
    """The first of ComfyUI's images as a PIL image."""
    pixels_HW3 = image_NHW3[0].float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8).numpy()
    return PIL.Image.fromarray(pixels_HW3)
