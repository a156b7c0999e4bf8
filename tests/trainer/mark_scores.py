"""Mark scores: what cleaning does with marks planted in photos of people, and what painting them over is worth.

`python -m tests.trainer.mark_scores [number of photos]` prints a table in Markdown. The photos are those of
planted_cases.py: the odd half of ComfyUI's template pictures, and scikit-image's astronaut, enlarged to 1024 pixels.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from statistics import median

from PIL import Image

from tests.trainer.planted_cases import with_persons
from tests.trainer.planted_changes import photo_of, untuned_photographs
from tests.trainer.planted_marks import Plant, planted_marks, psnr
from trainer.photos.boxes import intersection
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.draft import Draft
from trainer.photos.cleaning.inpaint import installed_inpainter
from trainer.photos.cleaning.mark_painting import paint_over_marks
from trainer.photos.cleaning.rapid_text import installed_text_finder
from trainer.photos.cleaning.text_marks import treat_text_marks
from trainer.photos.cleaning.tools import CleanTools
from trainer.photos.edits import NO_EDIT
from trainer.photos.faces.mtcnn import installed_face_detector
from trainer.photos.judging.framing import shot_of
from trainer.photos.photo import Box, Judgement
from trainer.photos.view import VIEW_PX

Judged = Mapping[str, tuple[Image.Image, Judgement]]
DEFAULTS = CleanConfig()
NO_CUTS = CleanConfig(min_side_px=4096)


def draft_of(view: Image.Image, judgement: Judgement) -> Draft:
    """A picture as judging hands it on."""
    return Draft(photo=photo_of(view), edit=NO_EDIT, view=view, judgement=judgement)


def enlarged(view: Image.Image) -> Image.Image:
    """As large as the view of a camera's photo, so that letters planted in it have the pixels they would have there."""
    scale = VIEW_PX / max(view.size)
    return view.resize((round(view.width * scale), round(view.height * scale)), Image.Resampling.LANCZOS)


def what_was_done(draft: Draft, boxes: tuple[Box, ...]) -> str:
    """In one word, for the line that was planted."""
    if draft.set_aside:
        return "set aside"
    if all(intersection(box, draft.frame) is None for box in boxes):
        return "cut off"
    if any(intersection(mark, box) for mark in draft.marks for box in boxes):
        return "painted"
    return "left"


def row(case: str, plant: Plant, judged: Judged, tools: CleanTools) -> str:
    """One line of the table."""
    assert tools.inpainter is not None
    done: Counter[str] = Counter()
    before, after, worse, given_up = [], [], 0, 0
    for view, judgement in judged.values():
        marked, boxes = plant(view)
        done[what_was_done(treat_text_marks(draft_of(marked, judgement), DEFAULTS, tools), boxes)] += 1
        draft = treat_text_marks(draft_of(marked, judgement), NO_CUTS, tools)
        if what_was_done(draft, boxes) == "painted":
            painted, draft = paint_over_marks(marked, draft, NO_CUTS, tools)
            given_up += draft.set_aside is not None
            before.append(psnr(marked, view, boxes))
            after.append(psnr(painted, view, boxes))
            worse += after[-1] < before[-1]
    found = len(judged) - done["left"]
    counts = " | ".join(str(done[what]) for what in ("cut off", "painted", "set aside", "left"))
    worth = f"{median(before):.1f} -> {median(after):.1f} ({len(before)}; worse {worse})" if before else "-"
    return f"| {case} | {found}/{len(judged)} | {counts} | {worth} | {given_up} |"


def main(num_photos: int) -> None:
    """Print the table."""
    finder = installed_text_finder()
    assert finder is not None, "rapidocr is not installed"
    tools = CleanTools(text_finder=finder, inpainter=installed_inpainter())
    small = with_persons(untuned_photographs(), installed_face_detector(), num_photos)
    judged = {name: (enlarged(view), judgement) for name, (view, judgement) in small.items()}
    started_s = time.process_time()
    accused: list[str] = []
    for name, (view, judgement) in judged.items():
        treated = treat_text_marks(draft_of(view, judgement), DEFAULTS, tools)
        accused += [f"{name}: {treated.done[0].values['text']}"] if treated.done else []
    share_s = (time.process_time() - started_s) / len(judged)
    print(f"{len(judged)} photos; {share_s:.2f} s of one core each; without a mark, text is spoken of in: {accused}")
    shots = Counter(shot_of(judgement.faces[0]) for _, judgement in judged.values())
    print(", ".join(f"{shot} {count}" for shot, count in shots.items()))
    print("| mark | found | cut off | painted | set aside | left | PSNR in its box, dB (n) | still read |")
    print("|---|---|---|---|---|---|---|---|")
    for case, plant in planted_marks().items():
        print(row(case, plant, judged, tools), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
