"""The hub: a model is fetched with progress, once; what goes wrong is said with what to do. Against a local server."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.fake_hub import COMMIT, GATED, UNKNOWN, serving
from trainer.messages import UserError
from trainer.training.model.hub import _fetched

ROOT = Path(__file__).parents[2]
FETCH = """
import json, sys
from trainer.messages import UserError
from trainer.training.model.hub import local_folder
heard = []
try:
    folder = str(local_folder(sys.argv[1], lambda done, total: heard.append([done, total])))
    print(json.dumps({"folder": folder, "heard": heard}))
except UserError as error:
    print(json.dumps({"key": error.message.key, "text": str(error)}))
"""


def fetch(source: str, address: str, cache: Path) -> dict[str, Any]:
    """What fetching gives in a process of its own: the hub's client reads its address when it is imported."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"HF_ENDPOINT": address, "HF_HOME": str(cache), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", FETCH, source]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A folder laid out like a diffusers model, with 3 MB that are wanted and 1 MB that is not."""
    sizes = {"model_index.json": 20, "transformer/a.safetensors": 2_000_000, "vae/b.safetensors": 1_000_000,
             "assets/picture.png": 1_000_000}  # fmt: skip
    for name, size in sizes.items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() + bytes(size - len(name)))
    return tmp_path / "model"


def test_a_hub_id_is_fetched_with_progress_and_then_found_without_a_network(model_dir: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with serving({"Some/Model": model_dir}) as address:
        first = fetch("Some/Model", address, cache)
    folder = Path(first["folder"])
    assert folder.name == COMMIT
    assert (folder / "transformer/a.safetensors").read_bytes() == (model_dir / "transformer/a.safetensors").read_bytes()
    assert not (folder / "assets").exists()
    heard = first["heard"]
    assert heard[-1] == [3_000_020, 3_000_020] and len(heard) >= 3
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert all(done <= total for done, total in heard)
    assert fetch("Some/Model", address, cache)["folder"] == first["folder"]  # nobody serves any more


def test_what_goes_wrong_is_said_with_what_to_do(tmp_path: Path) -> None:
    with serving({"Some/Gated": GATED, "Some/Secret": UNKNOWN, "Some/Broken": (500, "")}) as address:
        gated, unknown, broken = (
            fetch(f"Some/{name}", address, tmp_path / name) for name in ("Gated", "Secret", "Broken")
        )
    closed = fetch("Some/Model", address, tmp_path / "closed")
    assert gated["key"] == "base.hub_gated" and "huggingface.co/Some/Gated" in gated["text"]
    assert unknown["key"] == "base.hub_unknown" and "Some/Secret" in unknown["text"]
    assert broken["key"] == closed["key"] == "base.hub_unreachable"
    assert "refused" in closed["text"].lower() or "connect" in closed["text"].lower()


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("xet: No space left on device (os 28)")]
)
def test_a_full_disk_names_the_folder_and_how_to_move_it(error: Exception) -> None:
    def fetch_fails() -> str:
        raise error

    with pytest.raises(UserError) as caught:
        _fetched("Some/Model", fetch_fails)
    assert caught.value.message.key == "base.hub_disk_full" and "HF_HOME" in str(caught.value)
