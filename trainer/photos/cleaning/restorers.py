"""Restorers: face restorers and upscalers from files, as FaceRestorers. Aligns nothing and judges nothing.

Legend: B batch of 1, C red, green and blue, H and W pixels; numbers are 0..1 unless said otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ...messages import UserError
from .spandrel_models import Place, load_spandrel, weights_name

if TYPE_CHECKING:
    from torch import Tensor

FACE_PX = 512
"""The side of an aligned face: what GFPGAN, RestoreFormer and CodeFormer were trained on."""


class FileRestorer:
    """The face restorer or upscaler in a file; the file is read when the first face needs it."""

    def __init__(self, path: Path, place: Place) -> None:
        self.name = weights_name(path)
        self._path, self._place = path, place
        self._lock = threading.Lock()
        self._descriptor: Any = None

    def restore(self, face: Image.Image, detail_px: int) -> Image.Image:
        """See FaceRestorer. Raises UserError for a file that is neither a face restorer nor an upscaler."""
        import torch

        with self._lock, torch.inference_mode():
            if self._descriptor is None:
                self._descriptor = _checked(load_spandrel(self._path), self._path)
            device = self._place(self._descriptor.model)
            return restore_by(self._descriptor, face, detail_px, device)


def restore_by(descriptor: Any, face: Image.Image, detail_px: int, device: Any) -> Image.Image:
    """A face as spandrel's model draws it: restored, or made small and enlarged. The model computes on `device`."""
    if descriptor.architecture.id == "GFPGAN":
        return _through(lambda face_BCHW: _gfpgan(descriptor.model, face_BCHW), face, device)
    if descriptor.scale == 1:
        return _through(descriptor, face, device)
    # An upscaler adds detail to what is small and sharp: to a face that is interpolated already it adds none.
    side_px = min(max(detail_px, FACE_PX // descriptor.scale), FACE_PX // 2)
    small = face.resize((side_px, side_px), Image.Resampling.LANCZOS)
    return _through(descriptor, small, device).resize(face.size, Image.Resampling.LANCZOS)


def _checked(descriptor: Any, path: Path) -> Any:
    is_for_pictures = descriptor.purpose in ("FaceSR", "SR", "Restoration")
    if not is_for_pictures or (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise UserError("photos.no_face_restorer", path=path, kind=f"{descriptor.architecture.name}")
    return descriptor


def _gfpgan(model: Any, face_BCHW: Tensor) -> Tensor:
    """GFPGAN was trained on -1..1 (mean 0.5, deviation 0.5 in its configuration and in its own inference code).

    spandrel 0.4.2 hands it 0..1 and cuts the result off at 0, so the model is asked directly. Its noise comes from the
    file, not from the global random generator: the same face is restored alike every time.
    """
    restored_BCHW = model(2 * face_BCHW - 1, return_rgb=False, randomize_noise=False)[0]
    return (restored_BCHW + 1) / 2


def _through(run: Callable[[Tensor], Tensor], face: Image.Image, device: Any) -> Image.Image:
    import torch

    pixels_HWC = torch.from_numpy(np.asarray(face, dtype=np.float32) / 255)
    made_BCHW = run(pixels_HWC.permute(2, 0, 1)[None].contiguous().to(device))
    made_HWC = made_BCHW[0].float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8).permute(1, 2, 0)
    return Image.fromarray(made_HWC.contiguous().numpy())
