"""Draft: one photo on its way through cleaning. Steps take a draft and give the next one; they change nothing.

Framing steps look at the view and decide which part of the photo is kept; they come first. Retouching steps then work
on the pixels of that part at their final size. All places are shares of the whole photo.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from ...messages import Message
from ..boxes import contains, intersection
from ..edits import PhotoEdit
from ..photo import WHOLE, Box, Judgement, Photo
from .config import CleanConfig
from .tools import CleanTools


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A photo, what is known about it, and what has been decided so far."""

    photo: Photo
    edit: PhotoEdit
    view: Image.Image
    """The whole photo, upright, RGB, longest side at most VIEW_PX."""
    judgement: Judgement
    """Of the whole photo; the subject's face first."""
    frame: Box = WHOLE
    """The part that is kept."""
    marks: tuple[Box, ...] = ()
    """Places to paint over; those outside of the frame do not matter."""
    others: tuple[Box, ...] = ()
    """Where other persons are that cropping did not get rid of, to be masked."""
    done: tuple[Message, ...] = ()
    """What was done, or under `report` would be done, in order."""
    set_aside: Message | None = None
    """Why the photo is left out; the steps that follow are then not asked."""

    @property
    def face(self) -> Box | None:
        """Where the subject's face is."""
        return self.judgement.faces[0].box if self.judgement.faces else None

    @property
    def photo_px(self) -> tuple[int, int]:
        """Width and height of the whole photo."""
        return self.photo.width_px, self.photo.height_px

    @property
    def frame_px(self) -> tuple[float, float]:
        """Width and height of the frame in the photo's own pixels."""
        left, top, right, bottom = self.frame
        return (right - left) * self.photo.width_px, (bottom - top) * self.photo.height_px

    def cut(self, frame: Box, message: Message) -> Draft:
        """The draft with a smaller frame. No cut goes through the subject's face that was whole before."""
        smaller = intersection(self.frame, frame)
        assert smaller is not None
        face = self.face and intersection(self.face, self.frame)
        assert face is None or contains(smaller, face)
        return dataclasses.replace(self, frame=smaller, done=(*self.done, message))

    def note(self, message: Message) -> Draft:
        """The draft with something more to say about it."""
        return dataclasses.replace(self, done=(*self.done, message))

    def leave_out(self, reason: Message) -> Draft:
        """The draft set aside, unless the user has taken the photo back: then the reason is only noted."""
        return self.note(reason) if self.edit.use else dataclasses.replace(self, set_aside=reason)


FramingStep = Callable[[Draft, CleanConfig, CleanTools], Draft]
RetouchingStep = Callable[[Image.Image, Draft, CleanConfig, CleanTools], tuple[Image.Image, Draft]]
"""Takes and gives the pixels of the frame at their final size, RGB."""
