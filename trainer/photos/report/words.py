"""Words: the names of kinds and problems, as messages in the user's language. Says no sentences."""

from __future__ import annotations

from ...messages import Message

_NAME_LETTERS = 40


def kind_word(kind: str) -> Message:
    """The word for one of SHOTS, POSES, EXPRESSIONS or MANNERS, or for `unknown`."""
    return Message(f"photos.kind_{_key(kind)}")


def why_word(shot: str) -> Message:
    """What one of SHOTS is good for."""
    return Message(f"photos.why_{_key(shot)}")


def problem_word(problem: str) -> Message:
    """The word for one of the checklist's PROBLEMS."""
    return Message(f"photos.problem_{problem}")


def badge_word(problem: str) -> Message:
    """One letter for one of the checklist's PROBLEMS."""
    return Message(f"photos.badge_{problem}")


def shortened(name: str) -> str:
    """A file's name without its middle where it is too long to stand in a sentence."""
    half = _NAME_LETTERS // 2
    return name if len(name) <= _NAME_LETTERS else f"{name[:half]}...{name[-half:]}"


def _key(kind: str) -> str:
    return kind.replace(" ", "_").replace("-", "_")
