"""Judge: from a sweep's pictures to its scores. Puts the measures together; computes none of them itself.

Legend: D numbers per picture, R reference photos.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...messages import Message
from ...photos.faces.detector import FaceDetector
from ...photos.memo import Memo
from ...training.keeping.results import Checkpoints
from ..cells import UNTRAINED_STEP, RenderedCell
from ..scores import CellScore, RowScore, Scores, row_name
from .copying import Limits, Nearness, PersonPhotos, is_by_heart, too_many
from .estimate import Estimate, estimate, paired
from .flexibility import Flexibility, Scenes, compare_scenes
from .likeness import directions, likeness_among, likeness_of
from .looks import Look, Looker
from .photos import JudgedBy, KnownPhoto
from .recommend import Rated, recommend
from .remedies import remedies
from .scorer import Scorer

_LEAST_SPAN = 0.01
"""A scorer that sees less between the untrained pictures and the photos cannot tell the person from anybody."""


def nothing() -> None:
    """For those who need not be asked before every picture."""


@dataclass(frozen=True, kw_only=True)
class Judging:
    """What pictures are judged with and by."""

    photos: JudgedBy
    scorer: Scorer | None = None
    detector: FaceDetector | None = None
    memo: Memo = dataclasses.field(default_factory=lambda: Memo(None))
    """Keeps what was seen of each picture, so that one more prompt has only its own pictures looked at."""
    on_picture: Callable[[], None] = nothing
    """Called before every picture that is looked at; may raise to leave early."""


@dataclass(frozen=True, kw_only=True)
class _Row:
    """The pictures of one row, apart: those with the person and those without."""

    step: int
    strength: float
    cells: tuple[RenderedCell, ...]
    looks: tuple[Look, ...]
    canaries: Scenes
    nearness: tuple[Nearness, ...]
    """Of every picture of the person; empty where no training photo is left."""

    @property
    def scenes(self) -> Scenes:
        """What the pictures of the person show as a whole."""
        return {
            (one.cell.prompt, one.cell.seed): look.scene_D for one, look in zip(self.cells, self.looks, strict=True)
        }


def judge_cells(rendered: Sequence[RenderedCell], checkpoints: Checkpoints, judging: Judging) -> Scores:
    """The scores of all rows, the recommended one, and why. Raises UserError for a photo that can no longer be read."""
    looker, notes = _looker(judging)
    references = _look(looker, judging.photos.references)
    learned = _look(looker, judging.photos.training)
    photos = PersonPhotos(learned, references if judging.photos.held_out else ()) if learned else None
    rows = _rows(rendered, looker, photos)
    references_RD = directions(references)
    ceiling = likeness_among(references_RD) if len(references_RD) else None
    judged = _Judged(judging, references_RD, ceiling, photos, checkpoints)
    rated = judged.rate(rows)
    choice = recommend(rated, checkpoints)
    scored = tuple(one.row for one in rated)
    chosen = next(row for row in scored if (row.step, row.strength) == (choice.step, choice.strength))
    return Scores(
        rows=scored,
        scorer=judging.scorer.name if judging.scorer else None,
        licence=judging.scorer.licence if judging.scorer else None,
        notes=(*notes, *judged.notes()),
        num_references=len(references),
        are_held_out=bool(judging.photos.held_out),
        ceiling=ceiling,
        recommended_step=choice.step,
        recommended_strength=choice.strength,
        runner_up=choice.runner_up,
        reasons=choice.reasons,
        remedies=remedies(
            scored,
            chosen,
            reference_spread=_spread_among(references_RD),
            reach=judged.reach(chosen, scored[0]),
            shots=dict(judging.photos.shots),
        ),
    )


def _looker(judging: Judging) -> tuple[Looker, list[Message]]:
    """Whoever looks at faces where the reference photos show them, else at whole pictures, and what is said of that."""
    scorer = judging.scorer
    notes = [] if scorer else [Message("sweep.no_scorer")]
    references = judging.photos.references
    if not references:
        return Looker(scorer, None, judging.memo, judging.on_picture), [*notes, Message("sweep.no_references")]
    if not judging.photos.held_out:
        notes.append(Message("sweep.not_held_out", {"num": len(references)}))
    with_faces = Looker(scorer, judging.detector, judging.memo, judging.on_picture)
    num_faces = sum(look.small_face_HWC is not None for look in _look(with_faces, references))
    if judging.detector is not None and (2 * num_faces >= len(references) or (scorer and scorer.wants_faces)):
        said = {"detector": judging.detector.name, "num": num_faces, "of": len(references)}
        return with_faces, [*notes, *([Message("sweep.judged_faces", said)] if scorer else [])]
    if scorer and scorer.wants_faces:
        without = Looker(None, None, judging.memo, judging.on_picture)
        return without, [*notes, Message("sweep.no_faces_to_judge", {"name": scorer.name})]
    whole = Looker(scorer, None, judging.memo, judging.on_picture)
    return whole, [*notes, *([Message("sweep.judged_whole")] if scorer else [])]


def _look(looker: Looker, photos: Sequence[KnownPhoto]) -> list[Look]:
    # Where the sweep's pictures are looked at whole, so are the photos, whatever is known of their faces.
    return looker.look(
        [photo.path for photo in photos], [photo.face if looker.sees_faces else None for photo in photos]
    )


def _rows(rendered: Sequence[RenderedCell], looker: Looker, photos: PersonPhotos | None) -> list[_Row]:
    looks = looker.look([one.path for one in rendered])
    by_row: dict[tuple[int, float], list[tuple[RenderedCell, Look]]] = {}
    for one, look in zip(rendered, looks, strict=True):
        by_row.setdefault((one.cell.step, one.cell.strength), []).append((one, look))
    rows = []
    for (step, strength), pairs in by_row.items():
        ours = [(one, look) for one, look in pairs if not one.cell.is_canary]
        canaries = {
            (one.cell.prompt, one.cell.seed): look.scene_D for one, look in pairs if one.cell.is_canary
        }  # fmt: skip
        cells, seen = tuple(one for one, _ in ours), tuple(look for _, look in ours)
        nearness = tuple(photos.nearness(look) for look in seen) if photos else ()
        rows.append(_Row(step=step, strength=strength, cells=cells, looks=seen, canaries=canaries, nearness=nearness))
    return rows


class _Judged:
    """All that the rows are compared with."""

    def __init__(
        self,
        judging: Judging,
        references_RD: np.ndarray,
        ceiling: float | None,
        photos: PersonPhotos | None,
        checkpoints: Checkpoints,
    ) -> None:
        self._judging, self._references_RD, self._ceiling = judging, references_RD, ceiling
        self._photos: PersonPhotos | None = photos
        self._limits: Limits | None = photos.limits() if photos else None
        self._validation = {one.step: one for one in checkpoints.validations}

    def notes(self) -> list[Message]:
        """How copies were told, or that they could not be, and whether prompts were compared by colours alone."""
        scorer = self._judging.scorer
        notes = [] if scorer and scorer.knows_scenes else [Message("sweep.scenes_by_colour")]
        if self._limits is None:
            return [*notes, Message("sweep.no_copy_limits", {"num": len(self._judging.photos.training)})]
        values = {"num": self._limits.num_photos, "held_out": self._limits.num_held_out}
        notes.append(Message("sweep.copy_limits", values))
        return notes if self._limits.num_held_out else [*notes, Message("sweep.by_heart_unknown")]

    def rate(self, rows: Sequence[_Row]) -> list[Rated]:
        """Every row's score and balance, the untrained row's first."""
        untrained = next((row for row in rows if row.step == UNTRAINED_STEP), None)
        before = self._score(untrained, None) if untrained else None
        rated = [Rated(row=before)] if before else []
        for row in rows:
            if row.step == UNTRAINED_STEP:
                continue
            score = self._score(row, untrained)
            if untrained is None or before is None:
                rated.append(Rated(row=score))
                continue
            kept = compare_scenes(row.scenes, row.canaries, untrained.scenes, untrained.canaries)
            score = dataclasses.replace(
                score,
                agreement=kept.agreement,
                variety=kept.variety,
                drift=kept.drift,
                flexibility=kept.mean,
            )  # fmt: skip
            rated.append(self._with_balance(score, before, kept))
        return rated

    def reach(self, row: RowScore, untrained: RowScore) -> float | None:
        """The share of the way from the untrained model to the photos' own likeness."""
        span = self._span(untrained)
        return (row.likeness.mean - self._start(untrained)) / span if span and row.likeness else None

    def _score(self, row: _Row, untrained: _Row | None) -> RowScore:
        cells = tuple(self._cell(index, row) for index in range(len(row.cells)))
        alike = [cell.likeness for cell in cells if cell.likeness is not None]
        by_heart = self._photos.by_heart(row.nearness, untrained.nearness) if self._photos and untrained else None
        num_copies = sum(cell.is_copy for cell in cells)
        validation = self._validation.get(row.step)
        return RowScore(
            step=row.step,
            strength=row.strength,
            cells=cells,
            likeness=estimate(alike) if alike else None,
            validation=estimate(validation.by_photo) if validation else None,
            grain=statistics.median(look.grain for look in row.looks) if row.looks else None,
            by_heart=by_heart,
            num_copies=num_copies,
            rejected=_rejection(row, num_copies, by_heart),
        )

    def _cell(self, index: int, row: _Row) -> CellScore:
        one, look = row.cells[index], row.looks[index]
        nearness = row.nearness[index] if row.nearness else None
        alike = likeness_of(look, self._references_RD) if len(self._references_RD) else None
        nearest = self._judging.photos.training[nearness.nearest_index].path.name if nearness else ""
        return CellScore(
            prompt=one.cell.prompt,
            seed=one.cell.seed,
            name=one.path.name,
            likeness=alike,
            is_copy=bool(nearness and self._limits and self._limits.is_copy(nearness)),
            nearest_photo=nearest,
        )

    def _with_balance(self, score: RowScore, untrained: RowScore, kept: Flexibility) -> Rated:
        span = self._span(untrained)
        if not span:
            return Rated(row=score)
        start = self._start(untrained)
        balances = tuple(
            None if one.likeness is None else (one.likeness - start) / span * kept.of(one.prompt, one.seed)
            for one in score.cells
        )
        found = [balance for balance in balances if balance is not None]
        pairs = [
            (one.likeness, other.likeness)
            for one, other in zip(score.cells, untrained.cells, strict=True)
            if one.likeness is not None and other.likeness is not None
        ]
        gain = paired(*zip(*pairs, strict=True)) if pairs else None
        row = dataclasses.replace(score, gain=gain, balance=estimate(found) if found else None)
        return Rated(row=row, balances=balances)

    def _span(self, untrained: RowScore | None) -> float | None:
        """From the untrained pictures' likeness to the photos' own (with a single photo, to that photo itself); None
        where the scorer cannot tell them apart."""
        if untrained is None or untrained.likeness is None:
            return None
        span = (1.0 if self._ceiling is None else self._ceiling) - untrained.likeness.mean
        return span if span > _LEAST_SPAN else None

    def _start(self, untrained: RowScore) -> float:
        assert untrained.likeness is not None
        return untrained.likeness.mean


def _rejection(row: _Row, num_copies: int, by_heart: Estimate | None) -> Message | None:
    """Why the copying gate keeps a row from being recommended, if it does."""
    values: dict[str, object] = {"row": row_name(row.step, row.strength)}
    if row.step == UNTRAINED_STEP:
        return None
    if too_many(num_copies, len(row.cells)):
        return Message("sweep.rejected_copies", {**values, "num": num_copies, "of": len(row.cells)})
    return Message("sweep.rejected_by_heart", {**values, "share": str(by_heart)}) if is_by_heart(by_heart) else None


def _spread_among(references_RD: np.ndarray) -> float | None:
    """The standard deviation of each reference photo's likeness to the others; None with fewer than three."""
    num = len(references_RD)
    if num < 3:
        return None
    cosines_RR = references_RD @ references_RD.T
    return statistics.stdev(((cosines_RR.sum(axis=1) - np.diag(cosines_RR)) / (num - 1)).tolist())
