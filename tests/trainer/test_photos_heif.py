"""HEIC: whole, upright and in the right colours, held against textbook maths and, where installed, against libheif."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from tests.trainer.awkward_files import D50_P3, D50_SRGB, SKIN, display_p3_profile, encoded, linear, noisy
from tests.trainer.heif_files import HeifFile, box, can_encode, clap, code, full_box, heic, icc, imir, irot, ispe, nclx
from trainer.photos.heif import shown_size
from trainer.photos.pixels import UnusablePhoto, has_alpha, measure, read_pixels, read_thumbnail
from trainer.photos.profiles import profile_of

pytestmark = pytest.mark.skipif(not can_encode(), reason="the tiles are encoded by PyAV's libx265: pip install av")
P3, BT2020, SRGB_CURVE, PQ, HLG = 12, 9, 13, 16, 18
CHROMA_LOSS = 2.5
"""Levels: a picture of strong small colours loses so much in 4:2:0 by itself."""


def soft(width_px: int = 200, height_px: int = 136) -> Image.Image:
    """A picture whose parts all differ, and whose sides are no multiples of a tile."""
    return noisy(width_px, height_px, seed=3)


def read(data: bytes, tmp_path: Path) -> Image.Image:
    """What `read_pixels` makes of these bytes."""
    (tmp_path / "IMG_0001.HEIC").write_bytes(data)
    return read_pixels(tmp_path / "IMG_0001.HEIC")


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference in levels."""
    assert one.size == other.size
    return float(np.abs(np.asarray(one.convert("RGB"), float) - np.asarray(other.convert("RGB"), float)).mean())


@pytest.mark.parametrize("tile_px", [0, 64])
@pytest.mark.parametrize("matrix, full_range", [(6, True), (6, False), (1, True), (1, False)])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_every_kind_of_coding_gives_the_picture_back(
    pixels: str, matrix: int, full_range: bool, tile_px: int, tmp_path: Path
) -> None:
    data = heic(soft(), tile_px=tile_px, pixels=pixels, matrix=matrix, full_range=full_range)
    assert measure(data) == (200, 136)
    assert difference(read(data, tmp_path), soft()) < (0.8 if "444" in pixels else CHROMA_LOSS)


def test_grid_is_the_whole_picture_without_seams(tmp_path: Path) -> None:
    whole, grid = (read(heic(soft(), tile_px=tile_px), tmp_path) for tile_px in (0, 64))
    apart_HWC = np.abs(np.asarray(whole, float) - np.asarray(grid, float))
    at_seams = apart_HWC[:, [63, 64, 127, 128]].mean()
    assert grid.size == (200, 136) and at_seams < 1.5


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("tile_px", [0, 64])
def test_rotation_is_applied_once_and_exif_orientation_is_not_applied_again(
    turns: int, tile_px: int, tmp_path: Path
) -> None:
    file = HeifFile()
    exif = Image.Exif()
    exif[0x0112] = (1, 8, 3, 6)[turns]
    block = file.add(b"Exif", struct.pack(">I", 0) + exif.tobytes())
    if tile_px:
        file.primary = file.add_grid(soft(), tile_px, irot(turns))
    else:
        file.primary = file.add_coded(code(soft()), irot(turns))
    file.references.append((b"cdsc", block, [file.primary]))
    expected = soft().rotate(90 * turns, expand=True)
    assert measure(bytes(file)) == shown_size(io.BytesIO(bytes(file))) == expected.size
    assert difference(read(bytes(file), tmp_path), expected) < CHROMA_LOSS


@pytest.mark.parametrize("axis, flip", [(0, Image.Transpose.FLIP_TOP_BOTTOM), (1, Image.Transpose.FLIP_LEFT_RIGHT)])
def test_mirrored_pictures_are_mirrored(axis: int, flip: Image.Transpose, tmp_path: Path) -> None:
    assert difference(read(heic(soft(), imir(axis)), tmp_path), soft().transpose(flip)) < CHROMA_LOSS


def test_crop_rotation_and_mirror_are_applied_in_the_files_order(tmp_path: Path) -> None:
    cut = soft().crop((200 // 2 - 50 + 10, 136 // 2 - 30 - 8, 200 // 2 + 50 + 10, 136 // 2 + 30 - 8))
    expected = cut.rotate(90, expand=True).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    data = heic(soft(), clap(100, 60, 10, -8), irot(1), imir(0), tile_px=64)
    assert measure(data) == shown_size(io.BytesIO(data)) == (60, 100)
    assert difference(read(data, tmp_path), expected) < CHROMA_LOSS


@pytest.mark.parametrize("first", [True, False])
def test_primary_picture_is_read_wherever_it_stands(first: bool, tmp_path: Path) -> None:
    file = HeifFile()
    other = Image.new("RGB", (64, 64), "green")
    if not first:
        file.add_coded(code(other))
    file.primary = file.add_coded(code(soft()))
    if first:
        thumbnail = file.add_coded(code(other))
        file.references.append((b"thmb", thumbnail, [file.primary]))
    assert difference(read(bytes(file), tmp_path), soft()) < CHROMA_LOSS


def srgb_of_p3() -> np.ndarray:
    """SKIN meant as Display P3, in sRGB."""
    light = np.linalg.inv(D50_SRGB) @ D50_P3 @ linear(np.array(SKIN) / 255)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(
    "properties",
    [[icc(display_p3_profile())], [nclx(P3, SRGB_CURVE, 6, True)], [icc(display_p3_profile()), nclx(1, 13, 6, True)]],
    ids=["profile", "numbers", "profile before numbers"],
)
@pytest.mark.parametrize("tile_px", [0, 64])
def test_display_p3_becomes_srgb(properties: list[bytes], tile_px: int, tmp_path: Path) -> None:
    image = Image.new("RGB", (128, 128), SKIN)
    seen = read(heic(image, *properties, tile_px=tile_px), tmp_path)
    assert np.abs(np.array(seen.getpixel((70, 70))) - srgb_of_p3()).max() <= 2
    (tmp_path / "small.heic").write_bytes(heic(image, *properties, tile_px=tile_px))
    assert np.abs(np.array(read_thumbnail(tmp_path / "small.heic", 64).getpixel((9, 9))) - srgb_of_p3()).max() <= 2


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_with_p3_in_numbers_becomes_srgb(tmp_path: Path) -> None:
    data = encoded(Image.new("RGB", (64, 64), SKIN), "AVIF", quality=100)
    at = data.index(b"nclx") + 4
    data = data[:at] + struct.pack(">H", P3) + data[at + 2 :]
    assert np.abs(np.array(read(data, tmp_path).getpixel((9, 9))) - srgb_of_p3()).max() <= 3
    for curve in (PQ, HLG):
        with pytest.raises(UnusablePhoto, match="hdr"):
            measure(data[: at + 2] + struct.pack(">H", curve) + data[at + 4 :])


def test_made_profiles_say_what_the_standards_say() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_of(P3) or b"")).profile
    colorants = np.array([getattr(profile, f"{name}_colorant")[0] for name in ("red", "green", "blue")]).T
    assert np.abs(colorants - D50_P3).max() < 5e-4
    assert profile_of(1) is None and profile_of(2) is None and profile_of(BT2020)


@pytest.mark.parametrize("curve", [PQ, HLG])
def test_hdr_is_refused_by_name(curve: int) -> None:
    with pytest.raises(UnusablePhoto) as refused:
        measure(heic(soft(), nclx(BT2020, curve, 9, False)))
    assert refused.value.reason.key == "photos.hdr"


def test_numbers_of_the_item_win_over_the_streams(tmp_path: Path) -> None:
    data = heic(soft(), nclx(1, 13, 1, True), pixels="yuv444p", matrix=1, full_range=True)
    said_otherwise = heic(soft(), nclx(1, 13, 6, True), pixels="yuv444p", matrix=1, full_range=True)
    assert difference(read(data, tmp_path), soft()) < 0.8 < difference(read(said_otherwise, tmp_path), soft())


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    file = HeifFile()
    opaque = Image.new("L", (64, 64), 255)
    opaque.paste(0, (0, 0, 32, 64))
    auxiliary = full_box(b"auxC", 0, 0, b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
    file.primary = file.add_coded(code(Image.new("RGB", (64, 64), "black")))
    alpha = file.add_coded(code(opaque.convert("RGB"), pixels="gray"), auxiliary)
    file.references.append((b"auxl", alpha, [file.primary]))
    seen = read(bytes(file), tmp_path)
    assert min(seen.getpixel((8, 32))) >= 253 and max(seen.getpixel((56, 32))) <= 2
    assert has_alpha(bytes(file)) and not has_alpha(heic(soft()))


def test_grey_heic_is_read(tmp_path: Path) -> None:
    grey = soft().convert("L")
    assert difference(read(heic(grey.convert("RGB"), pixels="gray"), tmp_path), grey) < 0.8


@pytest.mark.parametrize("tile_px", [0, 64])
def test_cut_off_heic_is_refused_wherever_it_is_cut(tile_px: int) -> None:
    data = heic(soft(), tile_px=tile_px)
    for share in np.linspace(0.0, 0.999, 40):
        with pytest.raises(UnusablePhoto):
            measure(data[: int(len(data) * share)])
    assert measure(data + b"appended by a phone" * 99) == (200, 136)


def liar(kind: str) -> bytes:
    """A file that says what is not so."""
    file, coded = HeifFile(), code(soft(64, 64))
    if kind == "bomb":
        tile = file.add_coded(coded)
        content = struct.pack(">BBBBHH", 0, 0, 255, 255, 64 * 256, 64 * 256)
        grid = file.add(b"grid", content, ispe(64 * 256, 64 * 256))
        file.references.append((b"dimg", grid, [tile] * 65535))
    elif kind == "larger than its stream":
        file.add(b"hvc1", coded.sample, coded.config, ispe(128, 128))
    elif kind == "smaller than its stream":
        large = code(soft(512, 512))
        file.add(b"hvc1", large.sample, large.config, ispe(16, 16))
    elif kind == "made of itself":
        grid = file.add(b"grid", struct.pack(">BBBBHH", 0, 0, 0, 0, 64, 64), ispe(64, 64))
        file.references.append((b"dimg", grid, [grid]))
    elif kind == "a tile is missing":
        tile = file.add_coded(coded)
        grid = file.add(b"grid", struct.pack(">BBBBHH", 0, 0, 0, 1, 128, 64), ispe(128, 64))
        file.references.append((b"dimg", grid, [tile]))
    elif kind == "no such item":
        file.add_coded(coded)
        file.primary = 9
    else:
        file.add(b"hvc1", coded.sample, coded.config, ispe(64, 64), box(b"clap", struct.pack(">8I", *[0] * 8)))
    return bytes(file)


@pytest.mark.parametrize(
    "kind",
    ["bomb", "larger than its stream", "smaller than its stream", "made of itself", "a tile is missing",
     "no such item", "cropped by zero"],
)  # fmt: skip
def test_lying_files_are_refused(kind: str) -> None:
    with pytest.raises(UnusablePhoto) as refused:
        measure(liar(kind))
    assert refused.value.reason.key == ("photos.too_many_pixels" if kind == "bomb" else "photos.damaged")


@pytest.mark.parametrize("tile_px", [0, 64])
def test_same_picture_as_libheif_makes_of_it(tile_px: int, tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="to compare with libheif: pip install pillow-heif")
    for properties in ([], [irot(3)], [imir(0)], [imir(1), irot(1)], [clap(100, 60, 10, -8)]):
        data = heic(soft(), *properties, tile_px=tile_px, pixels="yuv444p")
        theirs = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True).to_pillow()
        assert difference(read(data, tmp_path), theirs) < 0.6
