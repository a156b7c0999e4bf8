"""The MTCNN cascade: a net proposes faces, a second one refines them, a third one also finds eyes, nose and mouth.

Zhang, Zhang, Li and Qiao, "Joint face detection and alignment using multi-task cascaded convolutional networks", 2016.
Knows no file and no package: the three nets come from outside. Boxes are left, top, right, bottom in pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from .suppression import best_of, smaller_share

Net = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]

_PROPOSED, _REFINED, _FOUND = 0.6, 0.7, 0.7
"""The least probability that passes each of the three nets."""
_CELL_PX, _STRIDE_PX = 12, 2
"""What one output of the proposing net sees, and how far apart its outputs are."""
_SHRINK = 0.709
"""From one size of the picture to the next: half the area."""
_REFINE_PX, _FIND_PX = 24, 48
_BATCH = 256
_MAX_PROPOSALS = 1500
"""The most probable go on. Real photos propose a few hundred; this bounds the time for noise and foliage."""


@dataclass(frozen=True, kw_only=True)
class Nets:
    """The three trained nets. Each maps pixels (N, 3, H, W), -1..1, to what its name says."""

    propose: Net
    """Any size -> corrections (N, 4, h, w), probabilities (N, 2, h, w)."""
    refine: Net
    """24 x 24 -> corrections (N, 4), probabilities (N, 2)."""
    find: Net
    """48 x 48 -> corrections (N, 4), landmarks (N, 10) as five x and five y in shares of the box, probabilities."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Faces, the most probable first."""

    boxes_N4: np.ndarray
    scores_N: np.ndarray
    landmarks_N52: np.ndarray
    """Left eye, right eye, nose, left and right corner of the mouth; x and y in pixels."""


def find_faces(image: Image.Image, nets: Nets, min_face_px: float) -> Found:
    """All faces of an RGB picture, at least `min_face_px` high. To be called under `torch.inference_mode`."""
    boxes_N4 = _squares(_propose(image, nets.propose, min_face_px))

    boxes_N4, (corrections_N4, probabilities_N2) = _ask(nets.refine, image, boxes_N4, _REFINE_PX)
    scores_N = probabilities_N2[:, 1]
    passed = scores_N > _REFINED
    boxes_N4, scores_N, corrections_N4 = boxes_N4[passed], scores_N[passed], corrections_N4[passed]
    kept = best_of(boxes_N4, scores_N, 0.7)
    boxes_N4 = _squares(_corrected(boxes_N4[kept], corrections_N4[kept], 1))

    boxes_N4, (corrections_N4, landmarks_N10, probabilities_N2) = _ask(nets.find, image, boxes_N4, _FIND_PX)
    scores_N = probabilities_N2[:, 1]
    passed = scores_N > _FOUND
    boxes_N4, scores_N = boxes_N4[passed], scores_N[passed]
    shares_N52 = landmarks_N10[passed].reshape(-1, 2, 5).transpose(0, 2, 1)
    landmarks_N52 = boxes_N4[:, None, :2] + shares_N52 * (boxes_N4[:, 2:] - boxes_N4[:, :2] + 1)[:, None] - 1
    boxes_N4 = _corrected(boxes_N4, corrections_N4[passed], 1)
    kept = best_of(boxes_N4, scores_N, 0.7, smaller_share)
    return Found(boxes_N4=boxes_N4[kept], scores_N=scores_N[kept], landmarks_N52=landmarks_N52[kept])


def _propose(image: Image.Image, net: Net, min_face_px: float) -> np.ndarray:
    """Boxes that may hold a face, not square, (N, 4)."""
    boxes, corrections, scores = [np.empty((0, 4))], [np.empty((0, 4))], [np.empty(0)]
    scale = _CELL_PX / min_face_px
    while min(image.size) * scale >= _CELL_PX:
        size = int(image.width * scale + 1), int(image.height * scale + 1)
        corrections_14hw, probabilities_12hw = net(
            _as_batch([image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)])
        )
        probabilities_hw = probabilities_12hw[0, 1].double().numpy()
        row_N, column_N = np.nonzero(probabilities_hw >= _PROPOSED)
        corner_N2 = np.stack([column_N, row_N], 1) * _STRIDE_PX + 1.0
        at_scale_N4 = np.floor(np.concatenate([corner_N2, corner_N2 + _CELL_PX - 1], 1) / scale)
        of_cells_N = probabilities_hw[row_N, column_N]
        kept = best_of(at_scale_N4, of_cells_N, 0.5)
        boxes.append(at_scale_N4[kept])
        scores.append(of_cells_N[kept])
        corrections.append(corrections_14hw[0].double().numpy()[:, row_N, column_N].T[kept])
        scale *= _SHRINK
    boxes_N4, scores_N = np.concatenate(boxes), np.concatenate(scores)
    kept = best_of(boxes_N4, scores_N, 0.7)[:_MAX_PROPOSALS]
    return _corrected(boxes_N4[kept], np.concatenate(corrections)[kept], 0)


def _ask(net: Net, image: Image.Image, boxes_N4: np.ndarray, side_px: int) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """What a net says about each box that shows a part of the picture, and these boxes.

    Of a box that reaches out of the picture the net sees the part inside, stretched to a square.
    """
    whole_N4 = np.trunc(boxes_N4).astype(int)  # the corners count from 1, as the nets were trained
    whole_N4[:, :2] = np.maximum(whole_N4[:, :2], 1) - 1
    whole_N4[:, 2:] = np.minimum(whole_N4[:, 2:], image.size)
    shows = (whole_N4[:, :2] < whole_N4[:, 2:]).all(1)
    # With no box at all the nets still say how many numbers they give: ask about one, and drop the answer.
    asked_N4 = whole_N4[shows] if shows.any() else np.array([[0, 0, 1, 1]])
    patches = [image.resize((side_px, side_px), Image.Resampling.BOX, tuple(box_4)) for box_4 in asked_N4.tolist()]
    said = [net(_as_batch(patches[start : start + _BATCH])) for start in range(0, len(patches), _BATCH)]
    columns = (torch.cat(column).double().numpy()[: shows.sum()] for column in zip(*said, strict=True))
    return boxes_N4[shows], tuple(columns)


def _as_batch(images: list[Image.Image]) -> torch.Tensor:
    """Pictures of one size as (N, 3, H, W), -1..1."""
    pixels_NHWC = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
    return (pixels_NHWC.permute(0, 3, 1, 2).float() - 127.5) / 128


def _corrected(boxes_N4: np.ndarray, corrections_N4: np.ndarray, extra_px: int) -> np.ndarray:
    """Boxes moved by corrections in shares of their size; the later nets count the last pixel too (`extra_px` 1)."""
    sizes_N2 = boxes_N4[:, 2:] - boxes_N4[:, :2] + extra_px
    return boxes_N4 + corrections_N4 * np.tile(sizes_N2, 2)


def _squares(boxes_N4: np.ndarray) -> np.ndarray:
    """The squares around the boxes' middles, as large as the longer side."""
    middles_N2 = (boxes_N4[:, :2] + boxes_N4[:, 2:]) / 2
    half_N1 = (boxes_N4[:, 2:] - boxes_N4[:, :2]).max(1, keepdims=True, initial=0) / 2
    return np.concatenate([middles_N2 - half_N1, middles_N2 + half_N1], 1)
