"""A model hub on this machine: an HTTP server that answers the hub's client as huggingface.co does. Serves folders."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
UNKNOWN, GATED = (404, "RepoNotFound"), (403, "GatedRepo")


@contextmanager
def serving(repositories: dict[str, Path | tuple[int, str]]) -> Iterator[str]:
    """The hub's address; repositories by id, each a folder or what the hub answers instead of one."""

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, with_body: bool) -> None:
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            is_api = parts[:2] == ["api", "models"]
            parts = parts[2:] if is_api else parts
            folder = repositories.get("/".join(parts[:2]), UNKNOWN)
            if isinstance(folder, tuple):
                self._send(folder[0], b"{}", {"X-Error-Code": folder[1], "X-Error-Message": folder[1]}, with_body)
            elif is_api:
                self._send(200, json.dumps(_api(parts, folder)).encode(), {}, with_body)
            else:
                content = folder.joinpath(*parts[4:]).read_bytes()
                marks = {"ETag": f'"{_blob_id(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
                self._send(200, content, marks, with_body)

        def _send(self, status: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _api(parts: list[str], folder: Path) -> object:
    """The answers to `/api/models/<id>/tree/<commit>` and `/api/models/<id>[/revision/main]`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in files]
    if "tree" in parts:
        return [
            {"type": "file", "path": name, "size": path.stat().st_size, "oid": _blob_id(path.read_bytes())}
            for name, path in zip(names, files, strict=True)
        ]
    return {"id": "/".join(parts[:2]), "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}


def _blob_id(content: bytes) -> str:
    """Git's name for a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
