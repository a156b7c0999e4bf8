"""An export as a node runs it: which run and step a LoRA file is. Imported when the node first runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import PIL.Image

from ..trainer.lora_files.read import read_metadata
from ..trainer.messages import UserError
from ..trainer.publish.config import PublishConfig
from ..trainer.publish.export import Published, publish
from ..trainer.training.keeping.record import read_record
from ..trainer.training.keeping.results import Checkpoints
from . import host

_STEP = re.compile(r"_(\d{9})$")


def export(
    path: Path,
    checkpoints: Checkpoints | None,
    config: PublishConfig,
    pictures: Sequence[PIL.Image.Image],
    grid: PIL.Image.Image | None,
) -> Published:
    """Export the file; its run is found by the wire, else by the file. The run's last sweep gives a missing grid."""
    found = _STEP.search(path.stem)
    run_dir = checkpoints.run_dir if checkpoints else _run_dir(path)
    return publish(
        path,
        config,
        host.output_dir() / "publish",
        images=pictures,
        grid=grid if grid is not None else _sweep_grid(run_dir),
        run_dir=run_dir,
        step=int(found[1]) if found else None,
        language=host.language(),
    )


def _run_dir(path: Path) -> Path | None:
    """The run here that made a file: of the name in it, and trained on the same dataset."""
    metadata = read_metadata(path)
    if "zimage_lora.dataset" not in metadata:
        return None
    try:
        folder = host.run_dir(metadata.get("modelspec.title", ""))
        record = read_record(folder)
    except UserError:
        return None
    return folder if record and record["identity"].get("dataset") == metadata["zimage_lora.dataset"] else None


def _sweep_grid(run_dir: Path | None) -> PIL.Image.Image | None:
    path = run_dir / "sweep" / "grid.png" if run_dir else None
    if path is None or not path.is_file():
        return None
    with PIL.Image.open(path) as image:
        return image.convert("RGB")
