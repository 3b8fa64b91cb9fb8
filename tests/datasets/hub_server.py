"""A stand-in for the Hugging Face Hub on loopback: data sets with revisions, and a list of what was asked for."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

REPOSITORY = "team/reviews"


@dataclass
class Hub:
    """What the server has and what it was asked for."""

    revisions: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    """Files by commit."""
    names: dict[str, str] = field(default_factory=dict)
    """Commits by branch or tag."""
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def commit(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        """A further commit of a branch."""
        content = json.dumps({name: hashlib.sha1(data).hexdigest() for name, data in files.items()})
        commit = hashlib.sha1(f"{len(self.revisions)} {content}".encode()).hexdigest()
        self.revisions[commit] = files
        self.names[branch] = commit
        return commit

    def downloads(self) -> list[str]:
        """The files whose content was asked for."""
        return [path.rsplit("/", 1)[-1] for path in self.asked if path.startswith("GET") and "/resolve/" in path]


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The hub on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = unquote(self.path.split("?")[0])
            hub.asked.append(f"{self.command} {path}")
            status, headers, content = found(hub, path)
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def found(hub: Hub, path: str) -> tuple[int, dict[str, str], bytes]:
    """The status, the headers and the content of an answer."""
    api, files = f"/api/datasets/{REPOSITORY}", f"/datasets/{REPOSITORY}/resolve/"
    if path.startswith(f"{api}/revision/"):
        commit = _commit(hub, path.removeprefix(f"{api}/revision/"))
        if commit is None:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        return 200, {}, json.dumps({"id": REPOSITORY, "sha": commit, "siblings": []}).encode()
    if path.startswith(f"{api}/tree/"):
        commit = _commit(hub, path.removeprefix(f"{api}/tree/").rstrip("/"))
        assert commit is not None
        tree = [
            {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for name, data in hub.revisions[commit].items()
        ]
        return 200, {"Content-Type": "application/json"}, json.dumps(tree).encode()
    if path.startswith(files):
        revision, _, name = path.removeprefix(files).partition("/")
        commit = _commit(hub, revision)
        data = hub.revisions[commit or ""][name]
        return 200, {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": str(commit)}, data
    return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"


def _commit(hub: Hub, revision: str) -> str | None:
    return revision if revision in hub.revisions else hub.names.get(revision)
