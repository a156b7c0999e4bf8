"""Cleaning: from a PhotoSet to working copies that training can use: judged, cropped, retouched, sRGB, of one size.

Writes only into the work folder it is given; the user's own files are never touched.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ...messages import Message, UserError
from ..edits import NO_EDITS, Edits, gone_message
from ..faces.mtcnn import face_detector_missing
from ..folder import shown_path
from ..judging.duplicates import set_aside_duplicates
from ..judging.judge import judge_photos
from ..memo import Memo
from ..photo import Photo, PhotoSet, SetAside
from ..room import memory_of
from ..threads import Progress, in_threads, unheard
from .background import missing_tool as background_tool_missing
from .config import OFF, CleanConfig
from .enhance import missing_tool as enhance_tool_missing
from .one_photo import clean_photo
from .rapid_text import text_finder_missing
from .tools import NO_TOOLS, CleanTools
from .views import before_paths, save_before
from .working_copies import prepare_folder, remove_unused


def clean_photos(
    photos: PhotoSet,
    config: CleanConfig,
    work_dir: Path,
    *,
    tools: CleanTools = NO_TOOLS,
    edits: Edits = NO_EDITS,
    progress: Progress = unheard,
) -> PhotoSet:
    """The photos as working copies in `work_dir`, and those that are set aside with the reason: none is lost.

    A copy made before from equal bytes, settings, edits and tools is reused. Whatever keeps the set from being cleaned
    as asked (a model that is not there, an edit whose photo is gone) becomes a warning. All photos may be set aside:
    `check_any_left` makes an error of that. Raises UserError if a photo has gone since it was loaded, or if the work
    folder cannot be written.
    """
    prepare_folder(work_dir)
    memo = Memo(work_dir / "memo")
    judged = _leave_out(judge_photos(photos, tools.face_detector, edits, memo, progress), edits)
    judged = set_aside_duplicates(judged, config.duplicates, edits, memo, progress)
    aside = {one.photo.source_path: one for one in judged.set_aside}

    def clean(photo: Photo) -> Photo | SetAside:
        if one := aside.get(photo.source_path):
            save_before(photo, work_dir)
            return one
        return clean_photo(photo, edits.of(photo), config, tools, work_dir)

    def doing(photo: Photo) -> Message:
        return Message("photos.doing_clean", {"name": shown_path(photo.source_path, photos.folder)})

    of_path = {photo.source_path: photo for photo in (*judged.photos, *(one.photo for one in judged.set_aside))}
    in_order = [of_path[photo.source_path] for photo in photos.photos]
    made = in_threads(clean, in_order, progress, doing, num_bytes=memory_of)
    _remove_unused(in_order, made, work_dir)
    cleaned = dataclasses.replace(
        judged,
        photos=tuple(one for one in made if isinstance(one, Photo)),
        set_aside=photos.set_aside + tuple(one for one in made if isinstance(one, SetAside)),
        looked_for=_looked_for(config, tools),
    )
    return dataclasses.replace(cleaned, warnings=(*judged.warnings, *_warnings(photos, cleaned, config, tools, edits)))


def check_any_left(cleaned: PhotoSet) -> None:
    """Raise UserError if every photo is set aside."""
    if message := none_left(cleaned):
        raise UserError(message.key, **message.values)


def none_left(cleaned: PhotoSet) -> Message | None:
    """What to say, with the commonest reason, where every photo is set aside; None where one is left."""
    if cleaned.photos:
        return None
    [(commonest, times)] = Counter(one.reason.key for one in cleaned.set_aside).most_common(1)
    example = next(one for one in cleaned.set_aside if one.reason.key == commonest)
    name = shown_path(example.photo.source_path, cleaned.folder)
    values = {"count": len(cleaned.set_aside), "times": times, "name": name, "reason": example.reason}
    return Message("photos.all_set_aside", values)


def _leave_out(judged: PhotoSet, edits: Edits) -> PhotoSet:
    """Without the photos that the user leaves out by hand."""
    out = [photo for photo in judged.photos if edits.of(photo).use is False]
    by_hand = tuple(SetAside(photo=photo, reason=Message("photos.left_out_by_hand"), by_hand=True) for photo in out)
    kept = tuple(photo for photo in judged.photos if edits.of(photo).use is not False)
    return dataclasses.replace(judged, photos=kept, set_aside=judged.set_aside + by_hand)


def _remove_unused(given: Sequence[Photo], made: Sequence[Photo | SetAside], work_dir: Path) -> None:
    photos = [one if isinstance(one, Photo) else one.photo for one in made]
    records = [photo.record_path for photo in photos if photo.record_path is not None]
    remove_unused(work_dir, [*records, *(path for photo in given for path in before_paths(photo, work_dir))])


def _looked_for(config: CleanConfig, tools: CleanTools) -> tuple[str, ...]:
    """The steps that looked at the photos: switched on, and with what they need to see anything."""
    needs = {"text_marks": tools.text_finder, "other_people": tools.face_detector, "crop": tools.face_detector}
    steps = ("duplicates", "borders", "text_marks", "other_people", "crop")
    return tuple(step for step in steps if getattr(config, step) != OFF and needs.get(step, step) is not None)


def _warnings(
    loaded: PhotoSet, cleaned: PhotoSet, config: CleanConfig, tools: CleanTools, edits: Edits
) -> list[Message]:
    """What keeps the set from being cleaned as asked, each once."""
    warnings = [gone_message(edits, loaded.photos)]
    if tools.face_detector is None and (config.crop, config.other_people) != (OFF, OFF):
        warnings.append(face_detector_missing())
    if tools.text_finder is None and config.text_marks != OFF:
        warnings.append(text_finder_missing())
    warnings += [background_tool_missing(config, tools), enhance_tool_missing(config, tools)]
    return [warning for warning in warnings if warning is not None]
