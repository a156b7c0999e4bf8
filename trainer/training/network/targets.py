"""Target modules: which of Z-Image's linear layers are trained. Knows names only, loads no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...messages import UserError

ALL, ATTENTION, ATTENTION_MLP = "all", "attention", "attention+mlp"

_ATTENTION = ("attention.to_q", "attention.to_k", "attention.to_v", "attention.to_out.0")
_MLP = ("feed_forward.w1", "feed_forward.w2", "feed_forward.w3")
_MODULATION = ("adaLN_modulation.0",)
_SETS = {ALL: (*_ATTENTION, *_MLP, *_MODULATION), ATTENTION: _ATTENTION, ATTENTION_MLP: (*_ATTENTION, *_MLP)}
_MAIN_LAYER = re.compile(r"layers\.\d+\.(.+)")
_FULL_SIZE_LAYERS, _FULL_SIZE_REFINERS = 30, 2
_OUTSIDE_BLOCKS = (
    "all_x_embedder.2-1", "cap_embedder.1", "t_embedder.mlp.0", "t_embedder.mlp.2",
    "all_final_layer.2-1.linear", "all_final_layer.2-1.adaLN_modulation.1",
)  # fmt: skip


def linear_names(num_layers: int = _FULL_SIZE_LAYERS, num_refiners: int = _FULL_SIZE_REFINERS) -> list[str]:
    """The names of all linear layers of a Z-Image, as diffusers calls them; without arguments the full-size one's."""
    stacks = (("layers", num_layers), ("noise_refiner", num_refiners), ("context_refiner", num_refiners))
    return [
        f"{stack}.{index}.{module}"
        for stack, num_blocks in stacks
        for index in range(num_blocks)
        for module in _SETS[ATTENTION_MLP if stack == "context_refiner" else ALL]  # text has no time to modulate by
    ] + list(_OUTSIDE_BLOCKS)


def target_names(choice: str, names: Iterable[str]) -> list[str]:
    """Which of the linear layers `names` a choice of target modules means, in their order.

    `all` is the reference's set: the 8 layers of every main block. `attention` and `attention+mlp` are parts of it.
    Anything else is a regular expression, looked for anywhere in the names. Raises UserError for one that is no
    regular expression, or that matches nothing.
    """
    names = list(names)
    if choice in _SETS:
        main = ((name, _MAIN_LAYER.fullmatch(name)) for name in names)
        return [name for name, match in main if match and match[1] in _SETS[choice]]
    try:
        pattern = re.compile(choice)
    except re.error as error:
        raise UserError("train.targets_bad", value=choice, reason=error) from error
    chosen = [name for name in names if pattern.search(name)] if choice.strip() else []
    if not chosen:
        raise UserError("train.targets_none", value=choice, example="layers.12.attention.to_q")
    return chosen


def check_targets(choice: str) -> None:
    """Raise UserError for a choice that means no layer of the full-size model: it could never be trained."""
    target_names(choice, linear_names())
