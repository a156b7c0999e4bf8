"""Inpainters: what the mask does not name keeps its bytes, and what it names is gone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.trainer.known_people import astronaut
from trainer.messages import UserError
from trainer.photos.cleaning.inpaint import (
    ColourInpainter,
    LamaInpainter,
    OpenCvInpainter,
    installed_inpainter,
    lama_inpainter,
)
from trainer.photos.cleaning.spandrel_models import on_device
from trainer.photos.cleaning.tools import Inpainter


def spot(size: tuple[int, int], *boxes: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size)
    for box in boxes:
        mask.paste(255, box)
    return mask


def small_inpainters() -> list[Inpainter]:
    painters: list[Inpainter] = [ColourInpainter()]
    try:
        import cv2  # noqa: F401
    except ImportError:
        return painters
    return [OpenCvInpainter(), *painters]


@pytest.fixture(scope="module")
def lama(tmp_path_factory: pytest.TempPathFactory) -> LamaInpainter:
    """spandrel's own LaMa with random weights: what it paints is noise, how it is asked is not."""
    pytest.importorskip("spandrel", exc_type=ImportError)
    from spandrel.architectures.LaMa import LaMa

    path = tmp_path_factory.mktemp("lama") / "big-lama.safetensors"
    save_file({name: weight.contiguous() for name, weight in LaMa(in_nc=4, out_nc=3).state_dict().items()}, path)
    return LamaInpainter(path, on_device("cpu"))


@pytest.mark.parametrize("painter", small_inpainters(), ids=lambda painter: painter.name)
def test_only_the_masked_pixels_change(painter: Inpainter) -> None:
    image, _ = astronaut(512)
    mask = spot(image.size, (30, 40, 60, 50), (500, 500, 512, 512), (300, 300, 301, 301))
    before = np.asarray(image).copy()
    painted = np.asarray(painter.fill(image, mask))
    kept = np.asarray(mask) == 0
    assert painted.shape == before.shape and np.array_equal(painted[kept], before[kept])
    assert (painted[~kept] != before[~kept]).mean() > 0.5
    assert np.array_equal(np.asarray(image), before), "the picture it was given is another's"


@pytest.mark.parametrize("painter", small_inpainters(), ids=lambda painter: painter.name)
def test_a_letter_on_an_even_ground_disappears(painter: Inpainter) -> None:
    ground = Image.new("RGB", (200, 150), (90, 120, 150))
    image = ground.copy()
    image.paste((255, 255, 255), (90, 60, 96, 80))
    painted = painter.fill(image, spot(image.size, (88, 58, 98, 82)))
    assert np.abs(np.asarray(painted, int) - np.asarray(ground, int)).max() <= 4, (
        "Telea adds slopes that it takes for the ground's"
    )


@pytest.mark.parametrize("painter", small_inpainters(), ids=lambda painter: painter.name)
def test_empty_and_whole_masks_are_no_crash(painter: Inpainter) -> None:
    image, _ = astronaut(512)
    small = image.resize((3, 2))
    assert np.array_equal(np.asarray(painter.fill(image, spot(image.size))), np.asarray(image))
    assert painter.fill(small, Image.new("L", small.size, 255)).size == small.size


def test_there_is_always_an_inpainter_for_small_marks() -> None:
    assert installed_inpainter().fills_large_areas is False


def test_lama_paints_in_the_mask_and_keeps_every_other_byte(lama: LamaInpainter) -> None:
    image, _ = astronaut(512)
    # Odd sizes, a hole in the corner, a slim picture: none of them a multiple of eight.
    for size in ((203, 157), (9, 300), (16, 16)):
        small = image.resize(size)
        mask = spot(size, (0, 0, max(1, size[0] // 3), max(1, size[1] // 4)))
        painted, kept = np.asarray(lama.fill(small, mask)), np.asarray(mask) == 0
        assert np.array_equal(painted[kept], np.asarray(small)[kept])
        assert (painted[~kept] != np.asarray(small)[~kept]).mean() > 0.5
        assert np.array_equal(painted, np.asarray(lama.fill(small, mask))), "the same every time"


def test_lama_sees_a_crop_and_never_what_is_to_go(lama: LamaInpainter) -> None:
    image, _ = astronaut(512)
    mask = spot(image.size, (40, 40, 70, 60))
    lama.fill(image, mask)
    seen: list[torch.Size] = []
    handle = lama._descriptor.model.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    other = image.copy()
    other.paste((0, 255, 0), (40, 40, 70, 60))
    one, two = (np.asarray(lama.fill(picture, mask)) for picture in (image, other))
    handle.remove()
    assert np.array_equal(one, two)
    assert all(shape[2] <= 256 and shape[3] <= 256 and shape[2] % 8 == 0 for shape in seen) and len(seen) == 2


def test_a_file_that_is_no_inpainter_is_named(tmp_path: Path) -> None:
    pytest.importorskip("spandrel", exc_type=ImportError)
    from spandrel.architectures.Compact import Compact

    path = tmp_path / "upscaler.safetensors"
    model = Compact(num_in_ch=3, num_out_ch=3, num_feat=16, num_conv=2, upscale=4)
    save_file(dict(model.state_dict()), path)
    image = Image.new("RGB", (64, 64))
    with pytest.raises(UserError) as refused:
        lama_inpainter(path, on_device("cpu")).fill(image, spot(image.size, (8, 8, 16, 16)))
    assert refused.value.message.key == "photos.no_inpainter"
    path.write_bytes(b"nothing")
    with pytest.raises(UserError) as broken:
        lama_inpainter(path, on_device("cpu")).fill(image, spot(image.size, (8, 8, 16, 16)))
    assert broken.value.message.key == "photos.model_file_unreadable"
    with pytest.raises(UserError):
        lama_inpainter(tmp_path / "gone.safetensors", on_device("cpu"))
