"""Widgets: a config dataclass as ComfyUI inputs, and the widgets' values as a config again. Knows no node."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from comfy_api.latest import io

from ..trainer.messages import UserError
from ..trainer.settings import config_from


def widgets_of(
    config: type, *, choices: Mapping[str, Sequence[str]] | None = None, optional: Collection[str] = ()
) -> list[io.Input]:
    """One input per field, in order, with the field's default, limits and meaning.

    `choices` gives a list to fields whose values only the host knows, such as its files and samplers. `optional` names
    fields that a graph may leave out, beside those for experts: what is added to a published node must be.
    """
    return [
        _widget(field, (choices or {}).get(field.name), field.name in optional or field.metadata["advanced"])
        for field in dataclasses.fields(config)
    ]


def config_of(config: type, values: Mapping[str, Any]) -> Any:
    """The config that the widgets' values describe. Raises UserError for a value out of its limits."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    return config_from(config, {name: _value(name, value, defaults.get(name)) for name, value in values.items()})


def parts_of(config: type, inputs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A node's inputs apart: the config that its widgets describe, and everything else, such as models. UserError."""
    names = {field.name for field in dataclasses.fields(config)}
    settings = {name: value for name, value in inputs.items() if name in names}
    return config_of(config, settings), {name: value for name, value in inputs.items() if name not in names}


def _widget(field: dataclasses.Field, host_choices: Sequence[str] | None, is_optional: bool) -> io.Input:
    limits, default = field.metadata, field.default
    # What only experts need may be left out of a graph: those that people write for the HTTP API stay short and valid.
    common = dict(tooltip=limits["doc"], advanced=limits["advanced"] or None, optional=is_optional)
    options = list(host_choices or limits["choices"])
    if options:
        return io.Combo.Input(field.name, options=options, default=default, **common)
    if isinstance(default, bool):
        return io.Boolean.Input(field.name, default=default, **common)
    if isinstance(default, int):
        # Without an explicit False the front end rolls a new seed, and so a new run, at every queue.
        return io.Int.Input(
            field.name, default=default, min=limits["low"], max=limits["high"], step=limits["step"],
            control_after_generate=False, **common,
        )  # fmt: skip
    if isinstance(default, float):
        return io.Float.Input(
            field.name, default=default, min=limits["low"], max=limits["high"], step=limits["step"],
            round=False, **common,
        )  # fmt: skip
    many_lines = isinstance(default, tuple) and isinstance(default[0], str)
    return io.String.Input(
        field.name, default=_text(default), multiline=many_lines, dynamic_prompts=False, **common
    )  # fmt: skip


def _text(default: Any) -> str:
    if isinstance(default, str):
        return default
    return "\n".join(default) if isinstance(default[0], str) else ", ".join(map(str, default))


def _value(name: str, value: Any, default: Any) -> Any:
    """Lists are typed as text: prompts one per line, numbers with commas between them."""
    if not isinstance(default, tuple) or not isinstance(value, str):
        return value
    if isinstance(default[0], str):
        return tuple(line.strip() for line in value.splitlines() if line.strip())
    try:
        return tuple(float(part) for part in value.replace("，", ",").split(",") if part.strip())
    except ValueError as error:
        raise UserError("host.bad_numbers", name=name, value=value) from error
