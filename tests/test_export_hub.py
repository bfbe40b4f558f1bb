"""Uploading an export to a hub on this machine, and what is said when a hub refuses."""

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from resray.errors import InputError, ResrayError
from resray.export.folder import export_folder, export_to_hub, upload
from tests.export_case import train_study


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as an upload meets; every answer has one status."""

    status = 200
    committed: ClassVar[list[dict[str, Any]]] = []

    def answer(self) -> None:
        """Answer as the hub does, and keep what is committed."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = f"http://{self.headers['Host']}/someone/plain"
        content: Any = {"url": url, "commitUrl": f"{url}/commit/0", "commitOid": "0"}
        if "/tree/" in self.path:
            content = [{"type": "file", "path": path, "oid": "0", "size": 1} for path in EARLIER]
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            ways = {"uploadMode": "regular", "shouldIgnore": False}
            content = {"files": [{"path": name, **ways} for name in names]}
        elif "/commit/" in self.path:
            self.committed.extend(json.loads(line) for line in body.splitlines())
        text = json.dumps(content if self.status == 200 else {}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = answer

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


EARLIER = ("checkpoints/epoch-0099.safetensors", "notes.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "README.md").write_text("a card")
    return tmp_path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub on this machine, in place of the real one."""

    class Handler(Hub):
        committed: ClassVar[list[dict[str, Any]]] = []

    monkeypatch.setenv("HF_TOKEN", "hf_nobodys")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Handler
        server.shutdown()
        thread.join()


def test_the_hub_gets_the_folder_and_loses_stale_checkpoints(
    tmp_path: Path, hub: type[Hub]
) -> None:
    results = train_study(tmp_path / "sharing").results
    address = export_to_hub(results, "someone/plain", private=True, select="plain")
    assert address.endswith("/someone/plain")
    folder = export_folder(results, tmp_path / "x", select="plain", repository="someone/plain")
    sent = {entry["value"]["path"]: entry["value"]["content"]
            for entry in hub.committed if entry["key"] == "file"}  # fmt: skip
    local = [path for path in folder.rglob("*") if path.is_file()]
    assert set(sent) == {path.relative_to(folder).as_posix() for path in local}
    assert base64.b64decode(sent["README.md"]) == (folder / "README.md").read_bytes()
    deleted = [entry["value"]["path"] for entry in hub.committed if entry["key"] == "deletedFile"]
    assert deleted == ["checkpoints/epoch-0099.safetensors"]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "run `hf auth login` or set HF_TOKEN"),
        (403, "may not write there"),
        (418, "the hub answered 418"),
    ],
)
def test_a_hub_that_refuses_gives_one_line(
    folder: Path, hub: type[Hub], status: int, message: str
) -> None:
    hub.status = status
    with pytest.raises(ResrayError, match=message) as caught:
        upload(folder, "someone/plain", private=True)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_hub_out_of_reach_gives_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ResrayError, match="the hub cannot be reached") as caught:
        upload(folder, "someone/plain", private=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nobody", "a/b/c", "../x", "me/", "me/a--b"])
def test_a_repositorys_name_is_checked_first(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="--hub"):
        export_to_hub(tmp_path, name)
