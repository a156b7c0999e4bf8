"""Planted cases: faults put into photographs, and how many of them judging and cleaning find, as one table.

`python -m tests.trainer.planted_cases [number of photos]` prints it in Markdown. The photographs are the pictures of
persons in the packages of workflow templates that ComfyUI installs, of which only the half is used that no threshold
was set on (odd by the SHA-256 of the file's name), and those of scikit-image and scikit-learn, on which none was.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.trainer.planted_changes import (
    BARS,
    COPIES,
    FAULTS,
    SURE_BITS,
    Change,
    open_picture,
    photo_of,
    template_files,
    untuned_photographs,
)
from tests.trainer.planted_marks import planted_marks
from trainer.photos.cleaning.borders import find_borders
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.draft import Draft
from trainer.photos.cleaning.rapid_text import installed_text_finder
from trainer.photos.cleaning.text_marks import treat_text_marks
from trainer.photos.cleaning.tools import CleanTools
from trainer.photos.edits import NO_EDIT, Edits
from trainer.photos.faces.detector import FaceDetector
from trainer.photos.faces.mtcnn import installed_face_detector
from trainer.photos.judging.duplicates import hash_of, set_aside_duplicates
from trainer.photos.judging.judge import judge, judge_again, judge_photos
from trainer.photos.load import load_photos
from trainer.photos.memo import Memo
from trainer.photos.photo import WHOLE, Judgement, PhotoSet

Pictures = Mapping[str, Image.Image]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One planted fault: how many were planted and found, and how many of the clean photos were accused of it."""

    case: str
    planted: int
    found: int
    clean: int
    accused: int
    note: str = ""

    def __str__(self) -> str:
        recall = f"{self.found}/{self.planted} ({self.found / self.planted:.0%})" if self.planted else "-"
        return f"| {self.case} | {recall} | {self.accused}/{self.clean} | {self.note} |"


TABLE_HEAD = "| planted | found | false alarms | note |\n|---|---|---|---|"


# Counting


def copies_found(pictures: Pictures, change: Change, case: str, folder: Path) -> Row:
    """All pictures and a copy of each in one folder: of each two, one has to go, and it should be the copy."""
    for index, (name, view) in enumerate(pictures.items()):
        view.save(folder / f"{index:03} {name}.png")
        change(view).save(folder / f"{index:03} copy of {name}.png", compress_level=1)
    judged = judged_folder(folder)
    cleaned = set_aside_duplicates(judged, "apply", Edits(), Memo(None))
    numbers = [one.photo.source_path.name[:3] for one in cleaned.set_aside]
    copies_gone = sum(" copy of " in one.photo.source_path.name for one in cleaned.set_aside)
    by_hash = sum(
        one.distance(other) <= SURE_BITS
        for one, other in ((_hash(judged, 2 * index), _hash(judged, 2 * index + 1)) for index in range(len(pictures)))
    )
    note = f"the copy went: {copies_gone}/{len(numbers)}; by hash alone (6 bits): {by_hash}"
    return Row(
        case=f"copy: {case}",
        planted=len(pictures),
        found=len(set(numbers)),
        clean=len(pictures),
        accused=len(numbers) - len(set(numbers)),
        note=note,
    )


def turned_by_exif(pictures: Pictures, folder: Path) -> Row:
    """Copies that are stored lying or upside down, with the EXIF orientation that turns them upright."""
    stored = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    for index, (name, view) in enumerate(pictures.items()):
        view.save(folder / f"{index:03} {name}.png")
        orientation = (3, 6, 8)[index % 3]
        exif = Image.Exif()
        exif[0x0112] = orientation
        view.transpose(stored[orientation]).save(folder / f"{index:03} copy of {name}.jpg", quality=90, exif=exif)
    cleaned = set_aside_duplicates(judged_folder(folder), "apply", Edits(), Memo(None))
    numbers = [one.photo.source_path.name[:3] for one in cleaned.set_aside]
    found, extra = len(set(numbers)), len(numbers) - len(set(numbers))
    return Row(case="copy: stored turned, EXIF", planted=len(pictures), found=found, clean=len(pictures), accused=extra)


def moments_told_apart(folder: Path, num_clips: int, gap_frames: int = 24) -> Row:
    """Two frames of each moving picture of the untuned half, a good second apart: neither is a copy of the other."""
    num = 0
    for name, path in template_files(half=1):
        with Image.open(path) as image:
            is_long = getattr(image, "n_frames", 1) > gap_frames
        if is_long and num < num_clips:
            for frame in (0, gap_frames):
                open_picture(path, frame).save(folder / f"{num:03} {frame:02} {name}.png", compress_level=1)
            num += 1
    if not num:
        return Row(case="frames of a clip", planted=0, found=0, clean=0, accused=0)
    judged = judged_folder(folder)
    accused = len(set_aside_duplicates(judged, "apply", Edits(), Memo(None)).set_aside)
    by_hash = sum(_hash(judged, 2 * i).distance(_hash(judged, 2 * i + 1)) <= SURE_BITS for i in range(num))
    note = f"by hash alone (6 bits): {by_hash}; some clips hardly move"
    return Row(case=f"frames {gap_frames} apart", planted=0, found=0, clean=num, accused=accused, note=note)


def faults_found(judged: Mapping[str, tuple[Image.Image, Judgement]], change: Change, case: str) -> Row:
    """Faults of the picture itself, told by any finding about sharpness, grain or light."""
    clean = [_faults(judge_again(view, judgement)) for view, judgement in judged.values()]
    planted = [_faults(judge_again(change(view), judgement)) for view, judgement in judged.values()]
    expected = _expected(case)
    found = sum(bool(faults & expected) for faults in planted)
    return Row(
        case=case,
        planted=len(planted),
        found=found,
        clean=len(clean),
        accused=sum(bool(faults & expected) for faults in clean),
        note=", ".join(f"{key}: {sum(key in faults for faults in planted)}" for key in sorted(expected)),
    )


def borders_found(pictures: Pictures, change: Change, case: str) -> Row:
    """Bars planted above and below: found if the cut is within 1 % of them."""
    found = 0
    for view in pictures.values():
        framed = change(view)
        bar = (framed.height - view.height) / 2 / framed.height
        box = find_borders(framed)
        found += abs(box[1] - bar) < 0.01 and abs(1 - box[3] - bar) < 0.01
    accused = sum(find_borders(view) != WHOLE for view in pictures.values())
    return Row(case=case, planted=len(pictures), found=found, clean=len(pictures), accused=accused)


def marks_found(judged: Mapping[str, tuple[Image.Image, Judgement]]) -> Iterator[Row]:
    """Text laid over photos: found if cleaning cuts it off, paints it over or sets the photo aside."""
    finder = installed_text_finder()
    if finder is None:
        yield Row(case="text marks", planted=0, found=0, clean=0, accused=0, note="rapidocr is not installed")
        return
    tools = CleanTools(text_finder=finder)

    def is_marked(name: str, view: Image.Image, judgement: Judgement) -> bool:
        draft = Draft(photo=photo_of(view, name), edit=NO_EDIT, view=view, judgement=judgement)
        return treat_text_marks(draft, CleanConfig(), tools) != draft

    accused = {name for name, (view, judgement) in judged.items() if is_marked(name, view, judgement)}
    for case, plant in planted_marks().items():
        clean = {name: one for name, one in judged.items() if name not in accused}
        found = sum(is_marked(name, plant(view)[0], judgement) for name, (view, judgement) in clean.items())
        yield Row(case=f"mark: {case}", planted=len(clean), found=found, clean=len(judged), accused=len(accused))


def judged_folder(folder: Path) -> PhotoSet:
    """A folder's photos, judged without a face detector."""
    return judge_photos(load_photos(folder, recursive=False), None, Edits(), Memo(None))


def judged_views(pictures: Pictures, detector: FaceDetector | None) -> dict[str, tuple[Image.Image, Judgement]]:
    """Each picture with what it shows."""
    return {name: (view, judge(view, photo_of(view, name), detector, NO_EDIT)) for name, view in pictures.items()}


def _hash(photos: PhotoSet, index: int):  # type: ignore[no-untyped-def]
    judgement = photos.photos[index].judgement
    assert judgement is not None
    return hash_of(judgement.picture_hash)


def _faults(judgement: Judgement) -> set[str]:
    return {finding.key.removeprefix("photos.") for finding in judgement.findings}


def _expected(case: str) -> set[str]:
    expected: set[str] = set()
    if "blurred" in case or "enlarged" in case:
        expected |= {"face_blurred", "picture_blurred", "face_soft", "picture_soft"}
    if "noisy" in case:
        expected |= {"grainy", "very_grainy"}
    return expected or {"face_dark", "picture_dark"}


def with_persons(
    pictures: Pictures, detector: FaceDetector | None, wanted: int
) -> dict[str, tuple[Image.Image, Judgement]]:
    """Judged pictures with a sure face of at least 48 pixels, not two of one name but for its last number."""
    chosen: dict[str, tuple[Image.Image, Judgement]] = {}
    for name, view in pictures.items():
        series = name.rsplit("-", 1)[0]
        if len(chosen) == wanted or any(other.rsplit("-", 1)[0] == series for other in chosen):
            continue  # "-1" and "-2" are often one picture before and after an edit
        judgement = judge(view, photo_of(view, name), detector, NO_EDIT)
        face_px = judgement.quality.face_height_px if judgement.quality else None
        if face_px is not None and face_px >= 48 and judgement.faces[0].is_sure:
            chosen[name] = (view, judgement)
    return chosen


def rows(num_photos: int) -> Iterator[Row]:
    """All rows, on so many photos of persons."""
    judged = with_persons(untuned_photographs(), installed_face_detector(), num_photos)
    pictures = {name: view for name, (view, _) in judged.items()}
    for case, change in COPIES.items():
        with tempfile.TemporaryDirectory() as folder:
            yield copies_found(pictures, change, case, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        yield turned_by_exif(pictures, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        yield moments_told_apart(Path(folder), num_photos)
    for case, change in FAULTS.items():
        yield faults_found(judged, change, case)
    faceless = {name: (view, _without_faces(judgement)) for name, (view, judgement) in judged.items()}
    for case, change in FAULTS.items():
        yield dataclasses.replace(row := faults_found(faceless, change, case), case=f"{row.case}, face unknown")
    for case, change in BARS.items():
        yield borders_found(pictures, change, case)
    yield from marks_found(judged)


def _without_faces(judgement: Judgement) -> Judgement:
    return dataclasses.replace(judgement, faces=(), found=())


def main(arguments: Sequence[str]) -> None:
    """Print the table, a row as soon as it is known."""
    print(TABLE_HEAD, flush=True)
    for row in rows(int(arguments[0]) if arguments else 60):
        print(row, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
