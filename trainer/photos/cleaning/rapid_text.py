"""RapidText: finds text through the rapidocr package, which brings its models along. Reads nothing from a network."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from PIL import Image

from ...messages import Message
from .tools import TextBox, TextFinder

_DETECT_PX = 736
"""Longest side at which text is looked for; what is found is then read at the picture's own size."""
_NEEDED = {
    "rapidocr": "rapidocr", "onnxruntime": "onnxruntime", "cv2": "opencv-python-headless", "pyclipper": "pyclipper",
    "shapely": "shapely", "omegaconf": "omegaconf", "six": "six", "colorlog": "colorlog",
}  # fmt: skip
"""What rapidocr imports and ComfyUI does not bring: module -> package."""


class RapidText:
    """rapidocr's detector and reader on one core each. Every thread that looks at once has a reader of its own."""

    name = "rapidocr"

    def __init__(self) -> None:
        self._readers: SimpleQueue[Any] = SimpleQueue()
        self._readers.put(_reader())

    def find(self, view: Image.Image) -> tuple[TextBox, ...]:
        """All lines of text in an upright RGB picture, from top to bottom."""
        try:
            reader = self._readers.get_nowait()
        except Empty:
            reader = _reader()
        try:
            found = reader(np.ascontiguousarray(np.asarray(view.convert("RGB"))[..., ::-1]))
        finally:
            self._readers.put(reader)
        if found.txts is None:
            return ()
        return tuple(
            _text_box(corners, text, float(score), view.size)
            for corners, text, score in zip(found.boxes, found.txts, found.scores)
        )


def installed_text_finder() -> TextFinder | None:
    """A finder, if rapidocr and what it needs are installed, can be imported, and have their models beside them."""
    return None if _missing() or _problem() or not _models() else RapidText()


def text_finder_missing() -> Message:
    """What to say once about a set of photos when text cannot be looked for: the command that would change it."""
    # Only what is missing, and never their own requirements: OpenCV's packages overwrite each other's files, and so do
    # those of onnxruntime; plain `pip install rapidocr` would put a second OpenCV over another node pack's.
    command = "pip install --no-deps " + " ".join(_missing() or ["--force-reinstall", "rapidocr"])
    problem = None if _missing() else _problem()
    if problem:
        return Message("photos.text_finder_broken", {"problem": problem})
    return Message("photos.text_finder_missing", {"command": command})


def _problem() -> str | None:
    """Why rapidocr cannot be imported although everything is there, such as a package built for another Python."""
    try:
        from rapidocr import RapidOCR  # noqa: F401
    except Exception as error:  # packages of binaries that do not fit each other raise almost anything
        return f"{type(error).__name__}: {error}"
    return None


def _missing() -> list[str]:
    needed = _NEEDED | ({"colorama": "colorama"} if sys.platform == "win32" else {})
    return [package for module, package in needed.items() if find_spec(module) is None]


def _models() -> tuple[Path, Path] | None:
    """The detector's and the reader's files inside of the installed package."""
    spec = find_spec("rapidocr")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "models"
    pair = [next(iter(sorted(folder.glob(f"*_{kind}_*.onnx"))), None) for kind in ("det", "rec")]
    return (pair[0], pair[1]) if pair[0] and pair[1] else None


def _reader() -> Any:
    """rapidocr with its models named by path, for those it looks up by itself it would download where they differ."""
    from rapidocr import RapidOCR

    models = _models()
    assert models is not None
    return RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.use_cls": False,  # it only turns lines that stand upside down, which marks do not
            "Global.max_side_len": 4096,
            "Det.model_path": str(models[0]),
            "Rec.model_path": str(models[1]),
            "Det.limit_type": "max",
            "Det.limit_side_len": _DETECT_PX,
            # One core per call: photos are looked at in several threads, and sums in a fixed order give equal results.
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _text_box(corners: np.ndarray, text: str, score: float, size: tuple[int, int]) -> TextBox:
    """`corners` (4, 2) in pixels, clockwise from the top left."""
    shares = np.asarray(corners, np.float64) / size
    left, top = (max(0.0, float(share)) for share in shares.min(axis=0))
    right, bottom = (min(1.0, float(share)) for share in shares.max(axis=0))
    places = tuple((float(x), float(y)) for x, y in shares)
    return TextBox(box=(left, top, right, bottom), text=text, score=score, corners=places)
