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
    name = record["name"]
    resolution = config["training_resolution"]
    return {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "z-image/lora" if record["base_kind"] == "base" else "z-image-turbo/lora",
        "modelspec.title": name,
        "modelspec.date": record["created"],
        "modelspec.resolution": f"{resolution}x{resolution}",
        "modelspec.trigger_phrase": config["trigger_word"] or f"a photo of {record['subject']}",
        "ss_base_model_version": "zimage",
        "ss_output_name": name,
        **_network(config),
        "ss_learning_rate": str(config["learning_rate"]),
        "ss_optimizer": config["optimizer"],
        "ss_seed": str(config["seed"]),
        "ss_num_train_images": str(len(record["photos"])),
        "zimage_lora.subject": record["subject"],
        "zimage_lora.training_adapter": adapter.name if adapter else "none",
        "zimage_lora.dataset": record["identity"]["dataset"],
        "zimage_lora.config": json.dumps(config, ensure_ascii=False),
    }


def _network(config: Mapping[str, Any]) -> dict[str, str]:
    """kohya's keys for what was trained. The file itself holds no alpha: `alpha / dim` is folded into its weights.

    `lycoris.kohya` is the module that programs know LoKr and DoRA by. A LoKr of full rank has no dim and no alpha.
    """
    kind = config["network_type"]
    ranked = not (kind == "lokr" and config["lokr_full_rank"])
    arguments = {"target_modules": config["target_modules"], "alpha_folded": str(ranked)}
    if kind == "lokr":
        factor = str(config["lokr_factor"] or -1)
        arguments = {"algo": "lokr", "factor": factor, "full_matrix": str(not ranked), **arguments}
    if kind == "dora":
        arguments = {"algo": "lora", "dora_wd": "True", "wd_on_output": "True", **arguments}
    keys = {
        "ss_network_module": "networks.lora" if kind == "lora" else "lycoris.kohya",
        "ss_network_args": json.dumps(arguments, ensure_ascii=False),
    }
    if ranked:
        keys["ss_network_dim"] = str(config["linear_rank"])
        keys["ss_network_alpha"] = str(config["linear_alpha"] or config["linear_rank"])
    return keys
