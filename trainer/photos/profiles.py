"""Colour profiles: what HEIF and AVIF say in numbers (ITU-T H.273) as an ICC profile that Pillow can apply."""

from __future__ import annotations

import struct

import numpy as np

_XY = {
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""Red, green and blue of BT.2020 (9) and P3 (11, 12); all others are sRGB's, or so near that nobody sees it."""
_D65 = (0.3127, 0.3290)
_D50_XYZ = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_CURVE_POINTS = 1024


def profile_of(primaries: int) -> bytes | None:
    """An ICC v2 profile with these H.273 colour primaries and sRGB's curve; None where sRGB itself will do."""
    if primaries not in _XY:
        return None
    white_XYZ = _xyz(*_D65)
    unscaled = np.stack([_xyz(*xy) for xy in _XY[primaries]], axis=1)
    to_xyz = unscaled * np.linalg.solve(unscaled, white_XYZ)
    cones, wanted = _BRADFORD @ white_XYZ, _BRADFORD @ _D50_XYZ
    to_d50 = np.linalg.inv(_BRADFORD) @ np.diag(wanted / cones) @ _BRADFORD
    return _icc(to_d50 @ to_xyz)


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _icc(to_xyz_33: np.ndarray) -> bytes:
    encoded = np.linspace(0, 1, _CURVE_POINTS)
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    curve = struct.pack(">4s4xI", b"curv", _CURVE_POINTS) + np.round(light * 65535).astype(">u2").tobytes()
    name = b"made from numbers\0"
    tags = {
        b"desc": struct.pack(">4s4xI", b"desc", len(name)) + name + bytes(79),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": _xyz_tag(_D50_XYZ),
    }
    for index, letter in enumerate((b"r", b"g", b"b")):
        tags[letter + b"XYZ"] = _xyz_tag(to_xyz_33[:, index])
        tags[letter + b"TRC"] = curve
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, content in tags.items():
        table += struct.pack(">4sII", tag, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4xI4s4s4s12x4s28x", start + len(body), 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    header += struct.pack(">3i", *(round(value * 65536) for value in _D50_XYZ))
    return header.ljust(128, b"\0") + table + body


def _xyz_tag(values: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))
