"""Blocks: which of the transformer's main blocks keep what for the backward pass, and the way they run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .compiled import Compiler
from .lanes import Lane
from .lean_block import Recipes, lean_forward
from .offload import Offloader

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel


class BlockRunner:
    """What diffusers calls in a block's place while gradients are wanted (its gradient checkpointing hook).

    The refiners run as they are: nothing in or before them learns, so they keep nothing.
    """

    def __init__(
        self, blocks: nn.ModuleList, num_recomputed: int, offloader: Offloader | None, compiler: Compiler | None
    ) -> None:
        self._index = {id(block): index for index, block in enumerate(blocks)}
        self._num_recomputed = num_recomputed
        self._offloader, self._compiler = offloader, compiler

    def __call__(self, block: Any, x: Tensor, *rest: Any) -> Tensor:
        index = self._index.get(id(block))
        if index is None:
            return block(x, *rest)
        mask, rotations, time, *others = rest
        assert all(other is None for other in others), "the omni mode of Z-Image is not trained"
        compiled = self._compiler.block if self._compiler and self._compiler.takes(index) else None
        if index >= self._num_recomputed and compiled:
            return compiled(block, x, mask, rotations, time)
        if index >= self._num_recomputed:
            recipes = Recipes()
            with recipes:  # entering torch's hooks gives nothing back
                return lean_forward(block, x, mask, rotations, time, recipes=recipes)
        run = partial(compiled, block) if compiled else partial(lean_forward, block, recipes=None)
        return checkpoint(
            run, x, mask, rotations, time,
            use_reentrant=False, preserve_rng_state=False, context_fn=self._contexts,
        )  # fmt: skip

    def _contexts(self) -> tuple[contextlib.AbstractContextManager[None], contextlib.AbstractContextManager[None]]:
        return contextlib.nullcontext(), self._going_back()

    @contextlib.contextmanager
    def _going_back(self) -> Iterator[None]:
        if self._offloader:
            self._offloader.going_back = True
        try:
            yield
        finally:
            if self._offloader:
                self._offloader.going_back = False


def install_blocks(
    transformer: ZImageTransformer2DModel, lane: Lane, offloader: Offloader | None, compiler: Compiler | None
) -> None:
    """Have the transformer's main blocks run as a lane says, compiled once the compiler takes them."""
    transformer.enable_gradient_checkpointing(
        gradient_checkpointing_func=BlockRunner(transformer.layers, lane.num_blocks_recomputed, offloader, compiler)
    )
