"""The quick start from three single files, run inside a network namespace without a network. Reports as JSON.

unshare -rn sh -c 'ip link set lo up && python -m tests.comfyui.offline WORK_DIR POCKET_FILES_DIR'
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

from tests.comfyui.server import REPOSITORY, pocket_base
from tests.comfyui.workflow import pocket_graph


def main(work_dir: Path, single_files_dir: Path) -> None:
    """Start a server here, queue the graph, and report."""
    with pocket_base(work_dir, single_files_dir, REPOSITORY / "pocket", num_photos=2) as server:
        graph = pocket_graph(server.get("/object_info"), run_name="offline", total_steps=4, save_every=4)
        ran = server.run(graph)
        files = [path.name for path in (server.base_dir / "models/loras/offline").glob("*")]
        hub = [str(path) for path in (server.base_dir / "empty_hub").rglob("*") if path.is_file()]
        print(json.dumps(dict(network=_has_network(), status=ran.status, error=ran.error, files=files, hub=hub)))


def _has_network() -> bool:
    try:
        socket.create_connection(("1.1.1.1", 443), timeout=5).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
