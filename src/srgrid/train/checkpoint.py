"""The state folder of a training: who may use it, what it belongs to, and its checkpoints.

A checkpoint is one line, `srgrid-checkpoint 1 <sha256>`, then what torch.save wrote. It appears by rename, and is
verified when read; a torn one is passed over for the one before.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from srgrid.errors import SrgridError

_MAGIC = b"srgrid-checkpoint 1 "
_KEEP = 2


class State:
    """Checkpoints and log of one training in one folder."""

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.folder = folder
        self.identity = json.loads(json.dumps(identity))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; if another process does, say which and wait. The lock dies with its process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                tell(f"{self.folder}: in use by process {holder}; waiting for it to finish")
                fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield

    def claim(self) -> None:
        """Make the folder ours: a state that another recipe, data set or model left is set aside, not mixed in."""
        record = self.folder / "identity.json"
        try:
            found = json.loads(record.read_text())
        except (OSError, ValueError):
            found = None
        if found == self.identity:
            return
        left = [p for p in self.folder.iterdir() if p.name != "lock" and not p.name.startswith("set-aside-")]
        if left:
            number = len(list(self.folder.glob("set-aside-*"))) + 1
            aside = self.folder / f"set-aside-{number}"
            aside.mkdir()
            for path in left:
                path.rename(aside / path.name)
            tell(f"{self.folder}: held another training ({_changed(found, self.identity)}); moved to {aside}")
        _write_atomic(record, json.dumps(self.identity, indent=1, sort_keys=True).encode() + b"\n")

    def save(self, content: dict[str, Any]) -> Path:
        """Write the checkpoint of content["step"], then drop all but the last two."""
        path = self.folder / f"step-{content['step']:09d}.ckpt"
        self._write(path, content)
        for old in self._steps()[_KEEP:]:
            old.unlink()
        return path

    def save_best(self, content: dict[str, Any]) -> None:
        """Write the best weights so far."""
        self._write(self.folder / "best.ckpt", content)

    def latest(self) -> dict[str, Any] | None:
        """The newest whole checkpoint, or None."""
        for path in self._steps():
            if (content := read(path)) is not None:
                return content
            tell(f"{path}: torn checkpoint; going back to the one before")
            path.unlink()
        return None

    def best(self) -> dict[str, Any] | None:
        """The best weights so far, if there are any."""
        path = self.folder / "best.ckpt"
        return read(path) if path.exists() else None

    def _steps(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.ckpt"), reverse=True)

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        buffer = io.BytesIO()
        torch.save(content, buffer)
        payload = buffer.getvalue()
        head = _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"
        try:
            _write_atomic(path, head, payload)
        except OSError as error:
            raise SrgridError(f"{path}: cannot write the checkpoint ({error.strerror}); free some space") from None


def read(path: Path) -> dict[str, Any] | None:
    """A checkpoint's content on the CPU, or None if it is torn."""
    raw = path.read_bytes()
    head, _, payload = raw.partition(b"\n")
    if head != _MAGIC + hashlib.sha256(payload).hexdigest().encode():
        return None
    try:
        return dict(torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True))
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        return None


def tell(message: str) -> None:
    """One line to the user."""
    print(f"srgrid train: {message}", file=sys.stderr, flush=True)


def _changed(found: dict[str, Any] | None, wanted: dict[str, Any]) -> str:
    if found is None:
        return "no record of what it belongs to"
    keys = []
    for key in sorted(found.keys() | wanted.keys()):
        a, b = found.get(key), wanted.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            keys += [f"{key}.{k}" for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)]
        elif a != b:
            keys.append(key)
    return "different: " + ", ".join(keys)


def _write_atomic(path: Path, *parts: bytes) -> None:
    staged = path.with_name(f".{path.name}.new")
    try:
        with staged.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
