"""Metadata: what a LoRA file says about itself, in the keys that programs and model sites read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def lora_metadata(record: Mapping[str, Any], adapter: Path | None) -> dict[str, str]:
    """The metadata of a run's LoRA files, all strings, from its `run.json` record.

    `modelspec.*` is the Stability model specification, `ss_*` are kohya's keys, `zimage_lora.*` our own: enough to
    train the same LoRA again. The training adapter is named but never part of the file.
    """
    config = record["config"]
    name, rank = record["name"], str(config["linear_rank"])
    resolution = config["training_resolution"]
    return {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "z-image-turbo/lora",
        "modelspec.title": name,
        "modelspec.date": record["created"],
        "modelspec.resolution": f"{resolution}x{resolution}",
        "modelspec.trigger_phrase": config["trigger_word"] or f"a photo of {record['subject']}",
        "ss_base_model_version": "zimage",
        "ss_output_name": name,
        "ss_network_dim": rank,
        "ss_network_alpha": rank,
        "ss_learning_rate": str(config["learning_rate"]),
        "ss_optimizer": config["optimizer"],
        "ss_seed": str(config["seed"]),
        "ss_num_train_images": str(len(record["photos"])),
        "zimage_lora.subject": record["subject"],
        "zimage_lora.training_adapter": adapter.name if adapter else "none",
        "zimage_lora.dataset": record["identity"]["dataset"],
        "zimage_lora.config": json.dumps(config, ensure_ascii=False),
    }
