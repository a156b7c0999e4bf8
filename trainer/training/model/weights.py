"""Weight files: what a safetensors file says about itself without reading its tensors. Knows no model and no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...messages import UserError

PREFIX = "model.diffusion_model."
"""What ComfyUI puts before a model's names in a checkpoint that may also hold a text encoder and a VAE."""
_SAMPLE_BYTES = 1 << 16
_NUM_SAMPLES = 64


@dataclass(frozen=True, kw_only=True)
class Header:
    """Names, shapes and number formats (`BF16`, `F8_E4M3`, ...) of a file's tensors, and its metadata."""

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """The header of a safetensors file. Raises UserError for a missing, truncated or foreign file, GGUF by name."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UserError("base.file_missing", path=path)
    with open(path, "rb") as file:
        if path.suffix.lower() == ".gguf" or file.read(4) == b"GGUF":
            raise UserError("base.gguf", path=path)
    try:
        with safe_open(path, framework="numpy") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118 (not a dict)
            return Header(
                shapes={name: tuple(part.get_shape()) for name, part in slices.items()},
                dtypes={name: part.get_dtype() for name, part in slices.items()},
                metadata=tensors.metadata() or {},
            )
    except (SafetensorError, OSError) as error:
        raise UserError("base.unreadable", path=path, reason=error) from error


def model_names(header: Header) -> dict[str, str]:
    """The names of the model's tensors in the file, by their names without ComfyUI's prefix."""
    prefixed = [name for name in header.shapes if name.startswith(PREFIX)]
    return {name.removeprefix(PREFIX): name for name in prefixed or header.shapes}


def fingerprint(paths: Iterable[Path]) -> str:
    """A quick identity of weight files: sizes, the start of each file and 64 samples spread over it, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with open(path, "rb") as file:
            for sample_index in range(_NUM_SAMPLES):
                file.seek(size * sample_index // _NUM_SAMPLES)
                digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()
