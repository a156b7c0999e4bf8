"""What the sweep tests share: checkpoints of a run, a render function that draws and counts, a scorer of colours."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import PIL.Image
import torch
from PIL import ImageDraw

from trainer.messages import Message
from trainer.sweep.cells import Cell
from trainer.training.keeping.results import Checkpoint, Checkpoints


def make_checkpoints(folder: Path, steps: Sequence[int], **changes: object) -> Checkpoints:
    """A run whose LoRA files hold their step's number."""
    checkpoints = []
    for step in steps:
        path = folder / f"mila_{step:09d}.safetensors"
        path.write_bytes(b"LoRA of step %d" % step)
        checkpoints.append(Checkpoint(step=step, path=path))
    values = {"run_name": "mila", "run_dir": folder, "subject": "Mila", "trigger_word": "", "losses": ()}
    return Checkpoints(checkpoints=tuple(checkpoints), **{**values, **changes})


class Painter:
    """Draws each cell as a disc whose redness grows with the step, and remembers what it was asked for."""

    def __init__(self, size_px: tuple[int, int] = (128, 128), last_step: int = 300) -> None:
        self.painted: list[Cell] = []
        self._size_px, self._last_step = size_px, last_step

    def __call__(self, cell: Cell) -> PIL.Image.Image:
        self.painted.append(cell)
        shade = random.Random(f"{cell.prompt} {cell.seed}").randrange(40)
        red = round(200 * cell.step / self._last_step)
        image = PIL.Image.new("RGB", self._size_px, (red, 100 + shade, 100))
        ImageDraw.Draw(image).ellipse((20, 20, *(side - 20 for side in self._size_px)), fill=(red + 20, 90, 140))
        return image


class MeanColour:
    """Judges likeness by the mean colour."""

    name = identity = "mean colour"
    licence = Message("sweep.licence", {"name": "mean colour", "licence": "none"})
    knows_scenes = wants_faces = False

    def embed(self, images: Sequence[PIL.Image.Image]) -> torch.Tensor:
        colours_ND = torch.tensor([image.resize((1, 1)).getpixel((0, 0)) for image in images], dtype=torch.float32)
        return torch.nn.functional.normalize(colours_ND, dim=1)
