"""The state folder of a training: who may use it, what it belongs to, and its checkpoints.

A checkpoint is one line, `srgrid-checkpoint 1 <sha256>`, then what torch.save wrote. It appears by rename, and is
verified when read; a torn one is passed over for the one before.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from srgrid.errors import SrgridError
from srgrid.lock import hold
from srgrid.models.tensors import first_not_finite
from srgrid.train.recipes import as_now

_MAGIC = b"srgrid-checkpoint 1 "
_KEEP = 2
_OURS = ("identity.json", "step-*.ckpt", "best.ckpt", "log.jsonl", "tensorboard")  # a user's own files stay


class State:
    """Checkpoints and log of one training in one folder."""

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.folder = folder
        self.identity = json.loads(json.dumps(identity))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; if another process does, say which and wait. The lock dies with its process."""
        with self._usable():
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "lock").open("a+", errors="replace")
        with file:
            if not hold(file, wait=False):
                file.seek(0)
                holder = file.read().strip() or "unknown"
                tell(f"{self.folder}: in use by process {holder}; waiting for it to finish")
                hold(file, wait=True)
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield

    def claim(self) -> None:
        """Make the folder ours: a state that another recipe, data set or model left is set aside, not mixed in."""
        found = self.recorded()
        if found == self.identity:
            return
        with self._usable():
            if not self.holds(self.identity):
                self._set_aside(found)
            record = json.dumps(self.identity, indent=1, sort_keys=True).encode() + b"\n"
            _write_atomic(self.folder / "identity.json", record)

    def holds(self, identity: dict[str, Any]) -> bool:
        """Whether the folder's training is this one, as this version or an earlier one recorded it."""
        found = self.recorded()
        wanted = json.loads(json.dumps(identity))
        return found is not None and found | {"recipe": as_now(found.get("recipe"), wanted.get("recipe"))} == wanted

    def recorded(self) -> dict[str, Any] | None:
        """What the folder says it belongs to; None if it does not, or cannot be read."""
        try:
            found = json.loads((self.folder / "identity.json").read_text())
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def _set_aside(self, found: dict[str, Any] | None) -> None:
        left = sorted({path for pattern in _OURS for path in self.folder.glob(pattern)})
        if left:
            aside = next(p for n in count(1) if not (p := self.folder / f"set-aside-{n}").exists())
            aside.mkdir()
            for path in left:
                path.rename(aside / path.name)
            tell(f"{self.folder}: held another training ({_changed(found, self.identity)}); moved to {aside}")

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SrgridError(f"{self.folder}: cannot be used as state folder ({error.strerror})") from None

    def save(self, content: dict[str, Any]) -> Path:
        """Write the checkpoint of content["step"], then drop all but the last two.

        Raises SrgridError, and leaves those that are there, if a value is not finite or the disk is full.
        """
        path = self.folder / f"step-{content['step']:09d}.ckpt"
        self._write(path, content)
        for old in self._steps()[_KEEP:]:
            old.unlink()
        return path

    def save_best(self, content: dict[str, Any]) -> None:
        """Write the best weights so far."""
        self._write(self.folder / "best.ckpt", content)

    def latest(self) -> dict[str, Any] | None:
        """The newest checkpoint that is whole and finite, or None."""
        for path in self._steps():
            content = read(path)
            if content is None:
                fault = "torn checkpoint"
            elif bad := first_not_finite(floats(content)):
                fault = f"{bad} holds values that are not finite"
            else:
                return content
            tell(f"{path}: {fault}; going back to the one before")
            path.unlink()
        return None

    def best(self) -> dict[str, Any] | None:
        """The best weights so far, if there are any."""
        path = self.folder / "best.ckpt"
        content = read(path) if path.exists() else None
        if content is not None and (bad := first_not_finite(floats(content))):
            raise SrgridError(f"{path}: {bad} holds values that are not finite; delete {self.folder} and train again")
        return content

    def _steps(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.ckpt"), reverse=True)

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        if bad := first_not_finite(floats(content)):
            raise SrgridError(f"{path}: not written: {bad} holds values that are not finite")
        buffer = io.BytesIO()
        torch.save(content, buffer)
        payload = buffer.getvalue()
        head = _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"
        try:
            _write_atomic(path, head, payload)
        except OSError as error:
            raise SrgridError(f"{path}: cannot write the checkpoint ({error.strerror}); free some space") from None


def read(path: Path) -> dict[str, Any] | None:
    """A checkpoint's content on the CPU, or None if it is torn or no checkpoint."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SrgridError(f"{path}: cannot be read ({error.strerror})") from None
    head, _, payload = raw.partition(b"\n")
    if head != _MAGIC + hashlib.sha256(payload).hexdigest().encode():
        return None
    try:
        content = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception:  # a hostile pickle makes the unpickler raise anything: KeyError, struct.error, ...
        return None
    return content if isinstance(content, dict) and type(content.get("step")) is int else None


def floats(content: Any, name: str = "") -> Iterable[tuple[str, Tensor]]:
    """The floating-point tensors in a checkpoint's content, with the keys that lead to them."""
    if isinstance(content, Tensor):
        if content.is_floating_point():
            yield name, content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from floats(value, f"{name}.{key}" if name else str(key))
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from floats(value, f"{name}.{index}")


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
