"""Pushing to and loading from a hub: huggingface_hub's real client against a local server that speaks its protocol."""

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

import srgrid.models

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """One model repository, as files in memory."""

    files: dict[str, bytes]

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path, _, query = self.path.partition("?")
        if path == "/api/repos/create":
            self.answer({"url": f"http://{self.headers['Host']}/me/tiny"})
        elif path == "/api/validate-yaml":
            self.answer({"warnings": [], "errors": []})
        elif path == "/api/models/me/tiny/preupload/main":
            mode = {"uploadMode": "regular", "shouldIgnore": False}
            modes = [{"path": f["path"], **mode} for f in json.loads(body)["files"]]
            self.answer({"files": modes})
        elif path == "/api/models/me/tiny/commit/main":
            entries = [json.loads(line) for line in body.splitlines()]
            added = [entry["value"] for entry in entries if entry["key"] == "file"]
            self.files.update({value["path"]: base64.b64decode(value["content"]) for value in added})
            url = f"http://{self.headers['Host']}/me/tiny/commit/{COMMIT}"
            done = {"commitUrl": url, "commitOid": COMMIT, "hookOutput": ""}
            opened = {"pullRequestUrl": f"http://{self.headers['Host']}/me/tiny/discussions/1"}
            self.answer(done | (opened if "create_pr=1" in query else {}))
        else:
            self.send_error(404)

    def do_HEAD(self) -> None:
        self.file(send=False)

    def do_GET(self) -> None:
        self.file(send=True)

    def file(self, send: bool) -> None:
        found = re.fullmatch(rf"/me/tiny/resolve/(?:main|{COMMIT})/(.+)", self.path)
        if not found or found[1] not in self.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.files[found[1]]
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if send:
            self.wfile.write(content)

    def answer(self, value: dict[str, object]) -> None:
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def hub() -> Iterator[ThreadingHTTPServer]:
    handler = type("Fresh", (Hub,), {"files": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _python(script: str, hub: ThreadingHTTPServer, tmp_path, *arguments: str, cwd=None) -> str:
    """The client reads its settings when it is imported: a process of its own."""
    settings = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_TOKEN": "hf_none", "HF_HOME": str(tmp_path)}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")} | settings
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd or tmp_path,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


PUSH = """
import srgrid.models, torch
torch.manual_seed(0)
model = srgrid.models.build("rcan-bam-xs", 3)
model.push_to_hub("me/tiny")
again = srgrid.models.load("me/tiny", scale=3)
assert again.config == model.config
for key, value in model.module.state_dict().items():
    assert torch.equal(again.module.state_dict()[key], value), key
assert srgrid.models.describe("me/tiny")["sha256"] == again.sha256
"""

SUPER_IMAGES = """
import srgrid.models
model = srgrid.models.load("me/tiny", scale=4)
assert (model.config.scale, model.config.attention, model.config.features) == (4, "bam", 24)
"""

REFUSED = """
import srgrid.models
from srgrid.errors import SrgridError
for scale, words in ((4, "pytorch_model_4x.pt"), (2, "pytorch_model_2x.pt")):
    try:
        srgrid.models.load("me/tiny", scale=scale)
    except SrgridError as error:
        assert "'me/tiny'" in str(error), error
    else:
        raise AssertionError("loaded from an empty repository")
"""


def test_push_and_load(hub, tmp_path):
    _python(PUSH, hub, tmp_path)
    files = hub.RequestHandlerClass.files
    assert {"model.safetensors", "config.json", "README.md"} <= files.keys()
    assert json.loads(files["config.json"])["scale"] == 3


CARDS = f"""
import sys
sys.argv[:1] = ["srgrid", "card", {str(ROOT / "results/sample")!r}, "--for", "rcan-bam-s", "--push", "me/tiny"]
from srgrid.cli import main
try:
    main()
except SystemExit as done:
    assert done.code == 0
import srgrid.models
assert [srgrid.models.load("me/tiny", scale=scale).scale for scale in (2, 4)] == [2, 4]
"""


def test_the_card_of_one_model_is_pushed_with_its_weights(hub, tmp_path):
    said = _python(CARDS, hub, tmp_path, "--pr", cwd=ROOT)
    files = hub.RequestHandlerClass.files
    assert set(files) == {"README.md", "model_x2.safetensors", "model_x4.safetensors"}
    assert f"README.md  {len(files['README.md']):,} bytes" in said
    assert "/me/tiny/discussions/1" in said.splitlines()[-1]
    card = files["README.md"].decode()
    assert "--model me/tiny --scale 4" in card
    assert str(ROOT) not in card


def test_without_a_connection_it_says_what_would_be_sent(tmp_path):
    command = [sys.executable, "-m", "srgrid", "card", ROOT / "results/sample", "--for", "rcan-s", "--push", "me/tiny"]
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_TOKEN": "hf_none", "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert "README.md" in done.stdout
    (message,) = [line for line in done.stderr.splitlines() if line]
    assert message.startswith("srgrid: error: me/tiny: not pushed to the hub (")


def test_a_repository_laid_out_as_super_images(hub, tmp_path):
    checkpoint = io.BytesIO()
    torch.save(srgrid.models.build("rcan-bam-xs", 4).module.state_dict(), checkpoint)
    files = {"config.json": b'{"scale": 4, "bam": true, "n_feats": 24}', "pytorch_model_4x.pt": checkpoint.getvalue()}
    hub.RequestHandlerClass.files.update(files)
    _python(SUPER_IMAGES, hub, tmp_path)


def test_a_repository_without_weights_is_one_clear_message(hub, tmp_path):
    _python(REFUSED, hub, tmp_path)
