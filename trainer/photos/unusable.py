"""UnusablePhoto: what reading raises for a file that cannot serve as a photo. Knows no format."""

from __future__ import annotations

from ..messages import Message


class UnusablePhoto(Exception):
    """A file that cannot serve as a photo; `reason` is for the user."""

    def __init__(self, key: str, **values: object) -> None:
        self.reason = Message(key, values)
        super().__init__(key)
