"""Pictures as tensors: seeded batches of photos of people. Knows figures, no model."""

import random
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from .figures import Figure, Scene, draw
from .people import random_scene

Draw = tuple[Figure, Scene]


def to_pixels(image: Image.Image) -> torch.Tensor:
    """uint8 [3, H, W]."""
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()


def to_unit(pixels_u8: torch.Tensor) -> torch.Tensor:
    """uint8 pixels to floats in -1..1."""
    return pixels_u8.float() / 127.5 - 1


def draw_many(
    num_pictures: int,
    size_px: tuple[int, int],
    who: Callable[[random.Random], Figure],
    rng: random.Random,
    where: Callable[[random.Random], Scene] = random_scene,
) -> tuple[torch.Tensor, list[Draw]]:
    """uint8 [num_pictures, 3, H, W] and who and what was drawn."""
    drawn = [(who(rng), where(rng)) for _ in range(num_pictures)]
    return torch.stack([to_pixels(draw(figure, scene, size_px)) for figure, scene in drawn]), drawn
