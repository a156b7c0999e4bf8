"""Event examples: what browsers are told of trainings, made by our own code and kept in `event_examples.json`.

The tests of the browser read that file, and a test of ours holds it equal to what the code makes today. After a change:

    python -m tests.event_examples
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from tests.nodes.pack import module

EXAMPLES = Path(__file__).with_suffix(".json")
NOW_S = 1795398000.0
slug = module("trainer.files").slug
LIVE = {"run": slug("Mila"), "node": "12:5", "workflow": "0b6bb4c2-8d1e-4a4c-9a0f-2f3b5a1c9d77", "at": NOW_S}
STATUS = {key: LIVE[key] for key in ("node", "workflow")} | {"prompt_id": "6c0a0d0e-0b9f-4a3a-9f53-0f8a3c2b1d10"}

events = module("trainer.training.telling.events")
history = module("trainer.training.keeping.history")
live = module("nodes.run_events")
messages = module("trainer.messages")
overview = module("trainer.runs.overview")
Validation = module("trainer.training.evidence.verdict").Validation
PhotoLoss = module("trainer.training.evidence.loss_watch").PhotoLoss
TrainConfig = module("trainer.training.config").TrainConfig
results = module("trainer.training.keeping.results")

FEW = messages.Message("photos.few", {"count": 12})
PLAN = events.MemoryPlanned(
    lane="int8 · recompute 30/30", from_step=1, peak_bytes=9_100_000_000, weights_bytes=6_200_000_000,
    lora_bytes=900_000_000, activations_bytes=1_500_000_000, context_bytes=500_000_000, host_bytes=0,
    usable_bytes=15_500_000_000, seconds_per_step=0.42, fits=True,
)  # fmt: skip
MEASURED = {"pace": "0.9", "planned_pace": "0.42", "end": "21:30"}
VALIDATED = events.Validated(
    step=4, loss=0.416, num_photos=4, before_step=2, change=-0.017, margin=0.004, best_step=4, seconds=1.5
)
STEP = events.StepDone(
    step=5, total_steps=4000, loss=0.4123, learning_rate=2e-4, seconds_per_step=0.9, phase="train.phase.initial",
    used_bytes=8_700_000_000, peak_bytes=8_800_000_000,
)  # fmt: skip


def place(path: Path) -> dict[str, str]:
    """As the host says where a picture lies."""
    return {"filename": path.name, "subfolder": f"zimage_lora/{path.parent.parent.name}/previews", "type": "output"}


def write_run(folder: Path) -> Any:
    """A run of the past in `folder`, and the reader that finds it."""
    run_dir, lora_dir = folder / "runs/Mila", folder / "loras/Mila"
    (run_dir / "previews").mkdir(parents=True)
    lora_dir.mkdir(parents=True)
    config = json.loads(json.dumps(vars(TrainConfig(seed=7))))
    record = {
        "name": "Mila", "subject": "Mila", "created": "2026-11-22", "base_model": "z_image_turbo_bf16.safetensors",
        "identity": {}, "config": config, "photos": [{}] * 70,
        "earlier_configs": [{"until": "2026-11-22", "until_step": 2, "config": {**config, "total_steps": 3000}}],
    }  # fmt: skip
    (run_dir / "run.json").write_text(json.dumps(record))
    history.append_event(run_dir, "warned", 0, messages.as_plain(FEW), at=NOW_S - 60)
    history.append_event(run_dir, "planned", 1, vars(PLAN), at=NOW_S - 50)
    history.append_event(run_dir, "began", 1, {"total_steps": 4000}, at=NOW_S - 45)
    for step in range(6):
        at = NOW_S - 40 + step
        if step:
            looks = [PhotoLoss(photo_index=0, sigma=0.5, loss=0.5)]
            history.append_step(run_dir, step, 0.5 + 0.1 * (-1) ** step, looks, rate=2e-4, seconds=0.9, at=at)
        if step == 1:
            history.append_event(run_dir, "measured", 1, {"peak_bytes": 8_800_000_000}, at=at)
        if step in (0, 2, 4):
            losses = tuple((0.45 - 0.01 * step + 0.001 * photo * step,) for photo in range(4))
            history.append_validation(run_dir, Validation(step=step, losses=losses), seconds=1.5, at=at)
        if step in (2, 4):
            save_file({"a": np.zeros(step, np.float32)}, lora_dir / f"Mila_{step:09d}.safetensors")
            history.append_event(run_dir, "saved", step, {}, at=at)
            name = f"{step:09d}_1.png"
            (run_dir / "previews" / name).touch()
            history.append_event(run_dir, "drawn", step, {"prompt": "a photo of Mila", "file": name}, at=at)
    for path in run_dir.iterdir():
        os.utime(path, (NOW_S, NOW_S))
    return overview.Runs(folder / "runs", folder / "loras", place)


def made() -> dict[str, Any]:
    """What the code makes today."""
    with tempfile.TemporaryDirectory() as folder:
        runs = write_run(Path(folder))
        run_dir = Path(folder) / "runs/Mila"
        status = live.RunStatus()
        status.see(STEP)
        now = overview.LiveRun(
            run_dir=run_dir,
            draft={"config": json.loads(json.dumps(vars(TrainConfig(seed=7))))},
            status={**STATUS, **status.values(), "finish_asked": False},
        )
        (listed,) = runs.listed({LIVE["run"]: now})
        shown = {"running": runs.shown(LIVE["run"], now), "interrupted": runs.shown(LIVE["run"])}
        failed = messages.Message("train.not_finite", {"step": 6, "names": "a.jpg"})
        history.append_event(run_dir, "ended", 5, {"how": "failed", **messages.as_plain(failed)}, at=NOW_S)
        os.utime(run_dir / "events.jsonl", (NOW_S, NOW_S))
        shown["failed"] = runs.shown(LIVE["run"])
        told = [*_told(run_dir, lambda: runs.judged(run_dir, 4000)), live.failed_values(5, failed)]
    values = {
        "events": [{**LIVE, "step": 5, **event} for event in (*told, {"event": "Interrupted", "step": 5})],
        "runs": {"runs": [listed]},
        "run": shown["running"],
        "not_running": {state: {"run": run["run"], "error": run["error"]} for state, run in shown.items()},
        "refused": {"error": "This is no run id."},
    }
    return json.loads(json.dumps(values))


def _told(run_dir: Path, judged: Any) -> list[dict[str, Any]]:
    checkpoint = results.Checkpoint(step=4, path=run_dir / "Mila_000000004.safetensors")
    done = results.Checkpoints(
        run_name="Mila", run_dir=run_dir, subject="Mila", trigger_word="", checkpoints=(checkpoint,), losses=(0.5,)
    )
    steps = [events.StepDone(**{**vars(STEP), "step": step, "loss": loss}) for step, loss in ((3, 0.4), (4, 0.6))]
    happened = (
        [events.DiskPlanned(needed_bytes=3_200_000_000, free_bytes=250_000_000_000)],
        [events.Preparing(stage="latents", done=3, total=70)],
        [PLAN],
        [events.MemoryTold(message=messages.Message("memory.checked_pace", MEASURED))],
        [events.Started(first_step=1, total_steps=4000, num_photos=63, num_trained_modules=240)],
        [*steps, STEP],
        [VALIDATED],
        [events.CheckpointSaved(checkpoint=checkpoint)],
        [events.PreviewDrawn(step=4, prompt="a photo of Mila", path=run_dir / "previews/000000004_1.png")],
        [events.Warned(message=FEW)],
        [events.Stopped(step=5)],
        [events.Finished(checkpoints=done)],
    )  # fmt: skip
    return [live.event_values(one, place, judged) for one in happened]


if __name__ == "__main__":
    EXAMPLES.write_text(json.dumps(made(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
