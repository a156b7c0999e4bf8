"""Plain: findings as JSON and back, so that they can be kept and shown. One function per value that is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ..messages import Message
from .photo import Face, Judgement, Quality


def judgement_as_json(judgement: Judgement) -> dict[str, Any]:
    """A judgement as JSON."""
    plain = dataclasses.asdict(judgement)
    return {**plain, "findings": [message_as_json(message) for message in judgement.findings]}


def judgement_from_json(plain: Mapping[str, Any]) -> Judgement:
    """What `judgement_as_json` was given. Raises KeyError or TypeError for JSON of another version."""
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    known["faces"] = faces_from_json(plain["faces"])
    known["found"] = faces_from_json(plain["found"])
    known["quality"] = Quality(**plain["quality"]) if plain["quality"] else None
    known["findings"] = messages_from_json(plain["findings"])
    return Judgement(**known)


def message_as_json(message: Message) -> dict[str, Any]:
    """A message as JSON; what is neither number nor text becomes text."""
    values = {
        name: value if isinstance(value, int | float | str) else str(value) for name, value in message.values.items()
    }
    return {"key": message.key, "values": values}


def message_from_json(plain: Mapping[str, Any]) -> Message:
    """What `message_as_json` was given."""
    return Message(plain["key"], plain["values"])


def messages_from_json(plain: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Several messages."""
    return tuple(message_from_json(message) for message in plain)


def faces_from_json(plain: Sequence[Mapping[str, Any]]) -> tuple[Face, ...]:
    """Several faces, as `dataclasses.asdict` gives them."""
    return tuple(_face(face) for face in plain)


def _face(plain: Mapping[str, Any]) -> Face:
    landmarks = tuple((x, y) for x, y in plain["landmarks"])
    return Face(**{**plain, "box": tuple(plain["box"]), "landmarks": landmarks})
