"""Settings: one declaration of a choice (default, limits, meaning) that feeds widgets, YAML, metadata and checks.

A config is a frozen, keyword-only dataclass whose fields are made by `setting`. Knows no stage.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from .messages import UserError

Config = TypeVar("Config")


def setting(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    choices: Sequence[str] | None = None,
    advanced: bool = False,
) -> Any:
    """A dataclass field with its meaning (`doc`), its limits and whether only experts need it.

    `low` and `high` are inclusive; `choices` lists the allowed strings; `step` is the widget's step.
    """
    return dataclasses.field(
        default=default,
        metadata=dict(doc=doc, low=low, high=high, step=step, choices=tuple(choices or ()), advanced=advanced),
    )


def check_settings(config: Any) -> None:
    """Raise UserError for the first field of a config whose value has the wrong kind, range or choice."""
    for field in dataclasses.fields(config):
        value, limits = getattr(config, field.name), field.metadata
        wanted = type(field.default)
        if wanted is float and type(value) is int:
            object.__setattr__(config, field.name, float(value))
        elif wanted is tuple and type(value) is list:
            object.__setattr__(config, field.name, tuple(value))
        elif type(value) is not wanted:
            raise UserError("settings.kind", name=field.name, value=value, kind=wanted.__name__)
        if limits["choices"] and value not in limits["choices"]:
            raise UserError("settings.choice", name=field.name, value=value, choices=", ".join(limits["choices"]))
        # `not (a <= b)` also refuses NaN.
        if limits["low"] is not None and not (limits["low"] <= value):
            raise UserError("settings.low", name=field.name, value=value, low=limits["low"])
        if limits["high"] is not None and not (value <= limits["high"]):
            raise UserError("settings.high", name=field.name, value=value, high=limits["high"])


def config_from(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """A config from a mapping such as a YAML file. Raises UserError for an unknown key, with the nearest known one."""
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            nearest = (difflib.get_close_matches(key, known, n=1, cutoff=0.0) or [""])[0]
            raise UserError("settings.unknown", name=key, nearest=nearest, known=", ".join(known))
    return kind(**values)
