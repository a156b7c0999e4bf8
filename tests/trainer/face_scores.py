"""Shot, pose and number of people as the program sees them, against hand labels of pictures it was not tuned on,
but for where close-ups end (judging/framing.py).

    python -m tests.trainer.face_scores

The pictures lie in packages that ComfyUI installs; those of another version are left out.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tests.comfyui.server import comfyui_path
from trainer.files import file_hash
from trainer.photos.edits import NO_EDIT
from trainer.photos.faces.detector import FaceDetector
from trainer.photos.faces.mtcnn import installed_face_detector
from trainer.photos.judging.framing import pose_of, shot_of, subject_first
from trainer.photos.photo import POSES, SHOTS, Face

LABELS_PATH = Path(__file__).parent / "face_labels.json"


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One labelled picture, and what was found in it."""

    label: dict[str, Any]
    faces: tuple[Face, ...]
    """Those that count, the subject's first."""
    shot: str
    pose: str

    @property
    def is_found(self) -> bool:
        return bool(self.faces) and self.faces[0].is_sure


def labelled_pictures(kind: str) -> list[tuple[dict[str, Any], Path]]:
    """The labels of `people` or `nobody` with their pictures, as far as these are installed, byte for byte."""
    labels = json.loads(LABELS_PATH.read_text(encoding="utf-8"))[kind]
    found = []
    for label in labels:
        folder = _package_dir(label["package"])
        path = folder / label["file"] if folder else None
        if path and path.is_file() and file_hash(path).startswith(label["sha256"]):
            found.append((label, path))
    return found


def look(detector: FaceDetector, label: dict[str, Any], path: Path) -> Looked:
    """What the detector finds in the first frame of a picture."""
    with Image.open(path) as image:
        view = image.convert("RGB")
    faces = subject_first(detector.find(view), NO_EDIT)
    shot, pose = (shot_of(faces[0]), pose_of(faces[0], view.width / view.height)) if faces else ("none", "none")
    return Looked(label=label, faces=faces, shot=shot, pose=pose)


def right(looked: list[Looked], name: str) -> tuple[int, int]:
    """How many of the faces found have this label right, and how many were found and labelled."""
    known = [one for one in looked if one.is_found and one.label[name] is not None]
    return sum(getattr(one, name) == one.label[name] for one in known), len(known)


def right_people(looked: list[Looked]) -> tuple[int, int]:
    """In how many pictures the number of faces is right, of those where it was labelled and one is to be seen."""
    known = [one for one in looked if one.label["people"] and not one.label["hard"]]
    return sum(sum(face.is_sure for face in one.faces) == one.label["people"] for one in known), len(known)


def _package_dir(name: str) -> Path | None:
    """Where a package lies: in this Python, or in that of the ComfyUI of the tests."""
    spec = importlib.util.find_spec(name)
    if spec and spec.origin:
        return Path(spec.origin).parent
    site_packages = [
        *comfyui_path().glob(".venv/lib/python3*/site-packages"),
        comfyui_path() / ".venv/Lib/site-packages",
    ]
    return next((folder / name for folder in site_packages if (folder / name).is_dir()), None)


def _table(looked: list[Looked], name: str, values: tuple[str, ...]) -> str:
    counts = Counter((one.label[name], getattr(one, name)) for one in looked)
    seen_values = (*values, "none")
    lines = [f"| labelled {name} | {' | '.join(seen_values)} |", "|---" * (len(seen_values) + 1) + "|"]
    for value in values:
        lines.append(f"| {value} | {' | '.join(str(counts[value, seen]) for seen in seen_values)} |")
    return "\n".join(lines)


def main() -> None:
    """Print everything that NOTES.md holds."""
    detector = installed_face_detector()
    assert detector is not None, "pip install --no-deps facenet-pytorch"
    looked = [look(detector, label, path) for label, path in labelled_pictures("people")]
    nobody = [look(detector, label, path) for label, path in labelled_pictures("nobody")]
    for hard in (False, True):
        some = [one for one in looked if one.label["hard"] is hard]
        print(f"{'hard' if hard else 'easy'}: {sum(one.is_found for one in some)} of {len(some)} faces found for sure")
    print(f"unsure or only at a retry: {sum(bool(one.faces) and not one.is_found for one in looked)}")
    print(f"pictures without a person: {sum(bool(one.faces) for one in nobody)} of {len(nobody)} with a face")
    for name, (num_right, num) in {
        "shot": right(looked, "shot"),
        "pose": right(looked, "pose"),
        "number of people": right_people(looked),
    }.items():
        print(f"{name}: {num_right} of {num} right")
    print(_table(looked, "shot", SHOTS), _table(looked, "pose", POSES), sep="\n\n")


if __name__ == "__main__":
    main()
