"""Inpainters: parts of a picture painted over, by the user's LaMa file, by OpenCV, or by the colours around.

Each paints in crops around the mask instead of the whole picture, and changes no pixel that the mask does not name.

Legend: B batch of 1, C red, green and blue, H and W pixels; numbers are 0..1 unless said otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...messages import UserError
from .fill import fill_smoothly
from .spandrel_models import Place, load_spandrel, weights_name
from .tools import Inpainter

Array = np.ndarray[Any, np.dtype[Any]]
Paint = Callable[[Array, Array], Array]
"""A crop [H, W, C] of bytes with the hole [H, W] of True and False filled; what it does elsewhere is thrown away."""

_CONTEXT_PX = 64
"""The least that is seen of what surrounds a hole; the larger a hole, the more it takes."""
_TELEA_PX = 3
"""How far around each pixel Telea's method looks, the value of OpenCV's own examples."""
_LAMA_PX = 1024
"""Longest side at which LaMa paints: it was trained on 256 px and loses the thread far above 1000."""


class OpenCvInpainter:
    """Telea's fast marching method (2004): good for letters and thin lines, smears anything larger."""

    name = "opencv telea"
    fills_large_areas = False

    def fill(self, image: Image.Image, mask: Image.Image) -> Image.Image:
        """See Inpainter."""
        import cv2

        def paint(crop_HWC: Array, hole_HW: Array) -> Array:
            return cv2.inpaint(crop_HWC, hole_HW.astype(np.uint8), _TELEA_PX, cv2.INPAINT_TELEA)

        return _painted(image, mask, paint)


class ColourInpainter:
    """The colours around, drawn in smoothly; needs no package."""

    name = "colours around"
    fills_large_areas = False

    def fill(self, image: Image.Image, mask: Image.Image) -> Image.Image:
        """See Inpainter."""

        def paint(crop_HWC: Array, hole_HW: Array) -> Array:
            return np.asarray(fill_smoothly(Image.fromarray(crop_HWC), hole_HW, ~hole_HW))

        return _painted(image, mask, paint)


class LamaInpainter:
    """The inpainting model in a file; the file is read when the first hole needs it."""

    fills_large_areas = True

    def __init__(self, path: Path, place: Place) -> None:
        self.name = weights_name(path)
        self._path, self._place = path, place
        self._lock = threading.Lock()
        self._descriptor: Any = None

    def fill(self, image: Image.Image, mask: Image.Image) -> Image.Image:
        """See Inpainter. Raises UserError for a file that is no inpainting model."""
        import torch

        with self._lock, torch.inference_mode():
            if self._descriptor is None:
                self._descriptor = _checked(load_spandrel(self._path), self._path)
            device = self._place(self._descriptor.model)
            return _painted(image, mask, lambda crop, hole: _scaled(crop, hole, self._descriptor, device))


def lama_inpainter(path: Path, place: Place) -> Inpainter:
    """The inpainter in the user's file, which is read at the first use. Raises UserError for a file that is gone."""
    return LamaInpainter(path, place)


def installed_inpainter() -> Inpainter:
    """OpenCV's, which the text finder brings along; without OpenCV the colours around."""
    return OpenCvInpainter() if find_spec("cv2") else ColourInpainter()


def _painted(image: Image.Image, mask: Image.Image, paint: Paint) -> Image.Image:
    hole_HW = np.asarray(mask) > 127
    pixels_HWC = np.array(image)
    for rows, columns in _crops(hole_HW):
        inside_HW = hole_HW[rows, columns]
        filled_HWC = paint(np.ascontiguousarray(pixels_HWC[rows, columns]), inside_HW)
        pixels_HWC[rows, columns][inside_HW] = filled_HWC[inside_HW]
    return Image.fromarray(pixels_HWC)


def _crops(hole_HW: Array) -> Iterator[tuple[slice, slice]]:
    """Rows and columns around each group of holes, with what a painter needs to see of its surroundings.

    Holes that see each other are painted together: a letter must not be filled from the letter beside it.
    """
    from scipy import ndimage

    height, width = hole_HW.shape
    near_HW = ndimage.binary_dilation(hole_HW, iterations=_CONTEXT_PX // 2, structure=np.ones((3, 3), bool))
    groups_HW, _ = ndimage.label(near_HW)
    for rows, columns in ndimage.find_objects(groups_HW):
        more = max(_CONTEXT_PX, (rows.stop - rows.start) // 2, (columns.stop - columns.start) // 4)
        yield (
            slice(max(0, rows.start - more), min(height, rows.stop + more)),
            slice(max(0, columns.start - more), min(width, columns.stop + more)),
        )


def _checked(descriptor: Any, path: Path) -> Any:
    channels = (descriptor.input_channels, descriptor.output_channels)
    if descriptor.purpose != "Inpainting" or channels != (3, 3):
        raise UserError("photos.no_inpainter", path=path, kind=descriptor.architecture.name)
    return descriptor


def _scaled(crop_HWC: Array, hole_HW: Array, descriptor: Any, device: Any) -> Array:
    """A crop painted by the model, at a smaller size where it is too large for it."""
    height, width = hole_HW.shape
    scale = _LAMA_PX / max(height, width)
    if scale >= 1:
        return _through(crop_HWC, hole_HW, descriptor, device)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray(crop_HWC).resize(size, Image.Resampling.LANCZOS)
    # Pixels that are a hole in part are one, so that nothing of what is to go is seen.
    hole = Image.fromarray(np.where(hole_HW, 255, 0).astype(np.uint8)).resize(size, Image.Resampling.BOX)
    painted_HWC = _through(np.asarray(small), np.asarray(hole) > 0, descriptor, device)
    return np.asarray(Image.fromarray(painted_HWC).resize((width, height), Image.Resampling.LANCZOS))


def _through(crop_HWC: Array, hole_HW: Array, descriptor: Any, device: Any) -> Array:
    import torch

    height, width = hole_HW.shape
    # Sides that the model can take, the last rows and columns repeated: spandrel mirrors, which fails on slim crops.
    right, below = descriptor.size_requirements.get_padding(width, height)
    padded_HWC = np.pad(crop_HWC, ((0, below), (0, right), (0, 0)), mode="edge")
    holes_HW = np.pad(hole_HW, ((0, below), (0, right)), mode="edge")
    image_BCHW = torch.from_numpy(padded_HWC).to(device).permute(2, 0, 1)[None].float() / 255
    mask_BCHW = torch.from_numpy(holes_HW).to(device)[None, None].float()
    made_BCHW = descriptor(image_BCHW.contiguous(), mask_BCHW)
    made_HWC = made_BCHW[0, :, :height, :width].float().mul(255).round().to("cpu", torch.uint8).permute(1, 2, 0)
    return made_HWC.contiguous().numpy()
