"""A real ComfyUI server in a folder of its own, and a client for it. Knows no node of ours."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACK_NAME = "zimage-lora"
START_LIMIT_S = 600  # a busy machine takes minutes

Graph = dict[str, dict]
"""ComfyUI's API format: node id -> class_type and inputs."""


def comfyui_path() -> Path:
    """Where a ComfyUI is looked for: $COMFYUI_PATH, else ~/ComfyUI."""
    return Path(os.environ.get("COMFYUI_PATH") or "~/ComfyUI").expanduser()


def comfyui_missing() -> str | None:
    """Why there is no ComfyUI to test in, or None."""
    if (comfyui_path() / "main.py").is_file():
        return None
    return f"no ComfyUI at {comfyui_path()} (set COMFYUI_PATH; CONTRIBUTING.md says how to prepare one)"


def comfyui_python() -> str:
    """The interpreter of that ComfyUI: its own .venv, else the one that runs the tests."""
    own = comfyui_path() / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    return str(own) if own.exists() else sys.executable


@dataclass
class Ran:
    """What one queue did: the websocket's messages in order, and what the history says."""

    prompt_id: str
    messages: list[dict] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    """Progress texts: (node id, text)."""
    history: dict = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def status(self) -> str:
        """`success` or `error`; a cancelled queue is an error too."""
        return self.history["status"]["status_str"]

    def of_type(self, kind: str) -> list[dict]:
        """The data of all messages of a kind."""
        return [message["data"] for message in self.messages if message["type"] == kind]

    @property
    def error(self) -> str:
        """The sentence a user reads in the error dialog, or nothing."""
        return "".join(data["exception_message"] for data in self.of_type("execution_error")).strip()

    def output(self, node_id: str) -> dict:
        """What a node showed."""
        return self.history["outputs"].get(node_id, {})


class QueueRefused(Exception):
    """POST /prompt said no; `answer` is its JSON."""

    def __init__(self, answer: dict) -> None:
        super().__init__(json.dumps(answer)[:2000])
        self.answer = answer


class ComfyServer:
    """One server on a free port, with every folder under `base_dir`. Use as a context manager."""

    def __init__(self, base_dir: Path, packs: dict[str, Path], options: tuple[str, ...] = ()) -> None:
        self.base_dir = base_dir
        self.options = options
        self.packs = packs
        self.log_path = base_dir / "server.log"
        self.port = 0
        self._process: subprocess.Popen | None = None
        for name in ("custom_nodes", "input", "output", "user/default", "empty_hub"):
            (base_dir / name).mkdir(parents=True, exist_ok=True)
        for kind in ("diffusion_models", "text_encoders", "vae", "loras"):
            (base_dir / "models" / kind).mkdir(parents=True, exist_ok=True)
        for name, source in packs.items():
            (base_dir / "custom_nodes" / name).symlink_to(source, target_is_directory=True)
        # Without this the first page is the template browser.
        (base_dir / "user/default/comfy.settings.json").write_text('{"Comfy.TutorialCompleted": true}')

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> ComfyServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it answers. Raises RuntimeError with the end of the log if it does not."""
        self.port = _free_port()
        left_out = ("HF_", "TRANSFORMERS_", "PYTHONDONTWRITEBYTECODE")  # as on a user's machine: no hub, bytecode kept
        environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        environment |= {"HF_HOME": str(self.base_dir / "empty_hub"), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        command = [
            comfyui_python(), str(comfyui_path() / "main.py"), "--cpu", "--base-directory", str(self.base_dir),
            "--database-url", "sqlite:///:memory:", "--disable-api-nodes", "--port", str(self.port), *self.options,
        ]  # fmt: skip
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.base_dir, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        deadline_s = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            try:
                self.get("/system_stats")
                return
            except OSError:
                time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"ComfyUI did not start:\n{self.log()[-4000:]}")

    def stop(self) -> None:
        """End the server's process."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End the server's process as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def log(self) -> str:
        """Everything the server has printed."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> dict:
        """GET, and the JSON it answers."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.loads(answer.read())

    def post(self, path: str, body: dict) -> dict:
        """POST, and the JSON it answers. Raises QueueRefused for a refusal in JSON."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise QueueRefused(json.loads(error.read())) from error

    def interrupt(self) -> None:
        """What the Cancel button does."""
        self.post("/interrupt", {})

    def run(
        self,
        graph: Graph,
        *,
        only: list[str] | None = None,
        on_message: Callable[[dict], None] = lambda message: None,
        limit_s: float = 600,
    ) -> Ran:
        """Queue a graph (or what its nodes `only` need), follow the websocket to the end, and read the history."""
        return asyncio.run(asyncio.wait_for(self._run(graph, only, on_message), limit_s))

    async def _run(self, graph: Graph, only: list[str] | None, on_message: Callable[[dict], None]) -> Ran:
        import aiohttp

        client_id = uuid.uuid4().hex
        body = {"prompt": graph, "client_id": client_id}
        if only is not None:
            body["partial_execution_targets"] = only
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self.url}/ws?clientId={client_id}", max_msg_size=0) as socket_,
        ):
            started_s = time.monotonic()
            ran = Ran(self.post("/prompt", body)["prompt_id"])
            async for frame in socket_:
                if frame.type == aiohttp.WSMsgType.BINARY:
                    _read_binary(frame.data, ran)
                elif frame.type == aiohttp.WSMsgType.TEXT:
                    message = json.loads(frame.data)
                    ran.messages.append(message)
                    on_message(message)
                    if _is_end(message, ran.prompt_id):
                        break
            ran.seconds = time.monotonic() - started_s
        ran.history = self.history(ran.prompt_id)
        return ran

    def history(self, prompt_id: str, limit_s: float = 20) -> dict:
        """What the server remembers of a queue that has ended; waits for it."""
        deadline_s = time.monotonic() + limit_s
        while time.monotonic() < deadline_s:
            if prompt_id in (history := self.get(f"/history/{prompt_id}")):
                return history[prompt_id]
            time.sleep(0.05)
        raise TimeoutError(f"no history of {prompt_id} after {limit_s} s:\n{self.log()[-3000:]}")


def _is_end(message: dict, prompt_id: str) -> bool:
    data = message["data"]
    if data.get("prompt_id") != prompt_id:
        return False
    ends = ("execution_success", "execution_error", "execution_interrupted")
    return message["type"] in ends or (message["type"] == "executing" and data["node"] is None)


def _read_binary(frame: bytes, ran: Ran) -> None:
    """Kind 3 is a progress text: the length of the node's id, the id, the text. The others are pictures."""
    if int.from_bytes(frame[:4], "big") != 3:
        return
    length = int.from_bytes(frame[4:8], "big")
    ran.texts.append((frame[8 : 8 + length].decode(), frame[8 + length :].decode()))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pocket_base(base_dir: Path, single_files_dir: Path, pocket_dir: Path, num_photos: int = 6) -> ComfyServer:
    """A server, not yet started, with our pack, the pocket's loaders, its three files, and photos in input/mila."""
    server = ComfyServer(base_dir, {PACK_NAME: REPOSITORY, "pocket_nodes": Path(__file__).parent / "pocket_nodes"})
    kinds = {"pocket_z_image": "diffusion_models", "pocket_qwen_3": "text_encoders", "pocket_ae": "vae"}
    for name, kind in kinds.items():
        shutil.copy(single_files_dir / f"{name}.safetensors", base_dir / "models" / kind / f"{name}.safetensors")
    shutil.copytree(pocket_dir / "model/tokenizer", base_dir / "models/text_encoders/pocket_tokenizer")
    (base_dir / "input/mila").mkdir()
    for photo in sorted((pocket_dir / "photos/mila").iterdir())[:num_photos]:
        shutil.copy(photo, base_dir / "input/mila")
    return server
