"""Soup: the mean of a run's last checkpoints, as one more LoRA file. Renders and judges nothing.

The mean of what LoRAs do to a weight is not the mean of their A and B: it is B·A of all A one below the other and all B
side by side, divided by their number. That has the sum of their ranks, and is brought back to the highest of them by
its singular values, the nearest that rank can come (Eckart and Young, 1936); what is lost is written into the file.
"Model soups" (Wortsman et al., 2022) average whole models the same way.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import file_hash
from ..lora_files.convert import save_standard
from ..lora_files.names import DOWN, UP, Place
from ..lora_files.read import RawLora, read_lora, read_metadata
from ..lora_files.standard import Parts, StandardLora, standard_lora
from ..messages import UserError, name_some
from ..training.keeping.checksums import is_whole
from ..training.keeping.results import SOUP_STEP, Checkpoint, Checkpoints

if TYPE_CHECKING:
    from torch import Tensor

SOUP_KEY = "zimage_lora.soup"
"""The metadata that tells a soup: JSON with the SHA-256 of each file by its step, and the relative error."""


def with_soup(checkpoints: Checkpoints, num_last: int) -> Checkpoints:
    """The checkpoints and, behind them, the mean of the last `num_last`; the same ones where there are no two to mix.

    Its file lies beside theirs and is made only where it is not there yet. Raises UserError for files that cannot be
    mixed, for one that is gone and for a full disk.
    """
    mixed = checkpoints.checkpoints[-num_last:] if num_last > 1 else ()
    if len(mixed) < 2:
        return checkpoints
    steps = tuple(checkpoint.step for checkpoint in mixed)
    folder = mixed[-1].path.parent
    path = folder / f"{folder.name}_soup_{steps[0]}-{steps[-1]}.safetensors"
    for checkpoint in mixed:
        if not checkpoint.path.is_file():
            raise UserError("sweep.lora_gone", name=checkpoint.path.name, folder=folder)
    made_of = {str(checkpoint.step): file_hash(checkpoint.path) for checkpoint in mixed}
    if _ingredients(path) != made_of:
        make_soup([checkpoint.path for checkpoint in mixed], path, made_of)
    soup = Checkpoint(step=SOUP_STEP, path=path, soup_of=steps)
    return dataclasses.replace(checkpoints, checkpoints=(*checkpoints.checkpoints, soup))


def make_soup(sources: Sequence[Path], path: Path, made_of: Mapping[str, str]) -> None:
    """Write the mean of LoRA files, whole or not at all, and read it back.

    Raises UserError for LoKr, DoRA and other kinds that are no product of two matrices, and for files that are not of
    the same modules.
    """
    raw = [read_lora(source) for source in sources]
    modules, error = mean_of([_plain(one) for one in raw])
    tensors = {
        Place(module=module, part=part).key: tensor
        for module, parts in modules.items()
        for part, tensor in parts.items()
    }
    told = {"of": dict(made_of), "relative_error": round(error, 6)}
    save_standard(path, tensors, {**raw[-1].metadata, SOUP_KEY: json.dumps(told)})


def mean_of(loras: Sequence[StandardLora]) -> tuple[dict[str, Parts], float]:
    """The mean by module, in bf16, and its error: the length of what was cut off, in shares of the whole mean's."""
    import torch

    names = set(loras[0].modules)
    for lora in loras:
        if differing := sorted(names ^ set(lora.modules)):
            raise UserError(
                "sweep.soup_other_modules", name=lora.name, first=loras[0].name, modules=name_some(differing)
            )
    mean: dict[str, Parts] = {}
    lost = whole = 0.0
    for module in loras[0].modules:
        singular_values, parts = _mean_of_module([lora.modules[module] for lora in loras])
        rank = parts[DOWN].shape[0]
        lost += float((singular_values[rank:] ** 2).sum())
        whole += float((singular_values**2).sum())
        mean[module] = {part: tensor.to(torch.bfloat16).contiguous() for part, tensor in parts.items()}
    return mean, (lost / whole) ** 0.5 if whole else 0.0


def _mean_of_module(all_parts: Sequence[Parts]) -> tuple[Tensor, dict[str, Tensor]]:
    """All singular values of the mean, and the A [rank, in] and B [out, rank] of the largest."""
    import torch

    stacked_A = torch.cat([parts[DOWN].float() for parts in all_parts])
    stacked_B = torch.cat([parts[UP].float() * _scale(parts) / len(all_parts) for parts in all_parts], dim=1)
    # The product of the two small triangles has the singular values of the whole, which is never made.
    from_B, triangle_B = torch.linalg.qr(stacked_B)
    from_A, triangle_A = torch.linalg.qr(stacked_A.T)
    left, singular_values, right = torch.linalg.svd(triangle_B @ triangle_A.T)
    rank = max(parts[DOWN].shape[0] for parts in all_parts)
    root = singular_values[:rank].sqrt()
    return singular_values, {
        DOWN: root[:, None] * (right[:rank] @ from_A.T),
        UP: (from_B @ left[:, :rank]) * root,
    }


def _scale(parts: Parts) -> float:
    return float(parts["alpha"].float()) / parts[DOWN].shape[0] if "alpha" in parts else 1.0


def _plain(raw: RawLora) -> StandardLora:
    lora = standard_lora(raw)
    for module, parts in lora.modules.items():
        if not {DOWN, UP} <= set(parts) <= {DOWN, UP, "alpha"}:
            kinds = sorted(set(parts) - {DOWN, UP, "alpha"})
            raise UserError("sweep.soup_not_plain", name=lora.name, module=module, kind=name_some(kinds))
    return lora


def _ingredients(path: Path) -> object:
    """What a soup was made of, or None for a file that is none, is damaged, or is not there."""
    if not is_whole(path, thorough=True):
        return None
    try:
        return json.loads(read_metadata(path).get(SOUP_KEY, "null"))["of"]
    except (UserError, ValueError, TypeError, KeyError):
        return None
