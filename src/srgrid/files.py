"""Files and folders that appear whole or not at all, and the manifests of made folders.

What is being written lies beside its place under a name of its own, `.srgrid-HOST-TOKEN`, locked (flock) by the process
that writes it. A failure removes it. After a kill nobody holds the lock: the next process that writes there sweeps it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.names import some

MANIFEST = "manifest.json"
PREVIEWS = "previews.json"
# What may lie in a made folder though its manifest does not list it; Snakemake and file managers leave the others.
_UNLISTED = {MANIFEST, PREVIEWS, ".snakemake_timestamp", ".DS_Store", "Thumbs.db", "desktop.ini"}

_HOST = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())[:64]
_STAGED = re.compile(r"\.srgrid-([A-Za-z0-9_]+)-[0-9a-f]{16}(\.[^/]*)?")
_DAY = 86400.0  # seconds
_swept: set[Path] = set()  # folders that this process has swept
_finals: dict[Path, Path] = {}  # staged folder -> the path that the user gave, for messages

_HINTS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EACCES: "see to its permissions",
    errno.EPERM: "see to its permissions",
    errno.EROFS: "choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def trouble(error: OSError, where: object = None) -> str:
    """`path: what the system says; what to do`. `where` is the path if the error does not name one."""
    named = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else error.filename
    if named is None or any(_STAGED.fullmatch(part) for part in Path(str(named)).parts):
        named = where  # a temporary name says nothing to a user
    said = error.strerror or str(error) or type(error).__name__
    hint = _HINTS.get(error.errno or 0)
    return (f"{named}: " if named is not None else "") + said + (f"; {hint}" if hint else "")


@contextmanager
def _naming(out: Path) -> Iterator[None]:
    """Turn an OSError into a SrgridError that names its file, `out` if the system names none."""
    folder = next((parent for parent in out.parents if parent in _finals), None)
    shown = _finals[folder] / out.relative_to(folder) if folder else out
    try:
        yield
    except BrokenPipeError:  # of a reader of our output, not of a file
        raise
    except OSError as error:
        raise SrgridError(trouble(error, shown)) from None


@contextmanager
def staged_file(out: Path) -> Iterator[Path]:
    """A temporary sibling of `out` that is renamed to it on success and removed on failure.

    If `out` is a link, the file that it points to is replaced, and the link stays. Raises SrgridError, naming the file
    and the reason, if it cannot be written (no space, no permission, not a plain file).
    """
    out = Path(out)
    with _naming(out):
        place = _place(out)
        if place.exists() and not place.is_file():
            kind = "a folder" if place.is_dir() else "a device or pipe"
            raise SrgridError(f"{out}: is {kind}, not a file; choose another name")
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place.parent)
        suffix = out.suffix if len(os.fsencode(out.suffix)) <= 16 else ""
        staged, lock = _claim_file(place.parent, suffix)
        try:
            yield staged
            staged.replace(place)
        finally:
            staged.unlink(missing_ok=True)
            os.close(lock)


@contextmanager
def staged_dir(out: Path) -> Iterator[Path]:
    """A temporary sibling folder that takes the place of `out` on success and vanishes on failure.

    If `out` is a link, the folder that it points to is replaced, and the link stays. Raises SrgridError if `out` is a
    file, or holds anything but what a manifest of ours lists: that is not ours to replace.
    """
    out = Path(out)
    with _naming(out):
        place = _place(out)
        _refuse_foreign(place, out)
        with _room(place.parent) as room:
            staged = room / "new"
            staged.mkdir()
            _finals[staged] = out
            try:
                yield staged
                _refuse_foreign(place, out)  # a long step: someone may have put something there
                _swap(staged, place, room / "old")
            finally:
                del _finals[staged]


@contextmanager
def scratch_dir(parent: Path) -> Iterator[Path]:
    """An empty temporary folder in `parent` that vanishes at the end; a killed process's is swept by a later one."""
    with _naming(parent), _room(Path(os.path.realpath(parent))) as room:
        scratch = room / "scratch"
        scratch.mkdir()
        yield scratch


def _place(out: Path) -> Path:
    """Where `out` really lies, links followed."""
    place = Path(os.path.realpath(out))
    if out.is_symlink() and not place.exists():
        raise SrgridError(f"{out}: a link to {os.readlink(out)}, which is not there; make that, or remove the link")
    return place


def _refuse_foreign(place: Path, out: Path) -> None:
    if not place.exists():
        return
    if not place.is_dir():
        raise SrgridError(f"{out}: is a file, and was not made by srgrid; choose another folder or remove it")
    held = {name for name in os.listdir(place) if name not in _UNLISTED and not _STAGED.fullmatch(name)}
    if not held:
        return
    if not (place / MANIFEST).exists():
        raise SrgridError(f"{out}: exists and was not made by srgrid; choose another folder or remove it")
    listed = read_manifest(place)["files"]
    foreign = sorted(name for name in held if name not in listed or (place / name).is_dir())
    if foreign:
        raise SrgridError(f"{out}: holds {some(foreign)}, not made by srgrid; move it away, or choose another folder")


def _swap(staged: Path, place: Path, old: Path) -> None:
    if place.exists():
        place.rename(old)
    try:
        staged.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise


# Staging: names, locks, sweeping


def _staged_name(suffix: str = "") -> str:
    return f".srgrid-{_HOST}-{secrets.token_hex(8)}{suffix}"


def _claim_file(folder: Path, suffix: str) -> tuple[Path, int]:
    """A new empty file in `folder` and the handle that locks it."""
    while True:
        path = folder / _staged_name(suffix)
        lock = _claim(path)
        if lock is not None:
            return path, lock


def _claim(path: Path) -> int | None:
    """Make a file and lock it. None if a sweeper came between the two and took it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists():
            return handle
    except BlockingIOError:
        pass
    except OSError:  # this file system knows no locks: then nobody sweeps here either
        return handle
    os.close(handle)
    return None


@contextmanager
def _room(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, held by a lock; what was made in it as new, old or scratch goes at the end."""
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    lock = None
    while lock is None:
        room = parent / _staged_name()
        room.mkdir(mode=0o700)
        with contextlib.suppress(FileNotFoundError):  # a sweeper took the empty folder
            lock = _claim(room / "lock")
    try:
        yield room
    finally:
        _empty(room)
        os.close(lock)
        _drop(room)


def _empty(room: Path) -> None:
    for name in ("new", "old", "scratch"):
        shutil.rmtree(room / name, ignore_errors=True)


def _drop(room: Path) -> None:
    """Remove an emptied room. Its lock goes last, so that what an interrupted removal leaves can be swept; and it is
    closed by now, because NFS keeps a name for what is removed while it is open."""
    with contextlib.suppress(OSError):
        (room / "lock").unlink(missing_ok=True)
        room.rmdir()


def _sweep(folder: Path) -> None:
    """Remove what dead processes left in a folder; once per process and folder."""
    if folder in _swept:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError):  # a folder that may be written but not listed
        for name in filter(_STAGED.fullmatch, os.listdir(folder)):
            with contextlib.suppress(OSError):  # of another user
                _sweep_one(folder / name, here=name.startswith(f".srgrid-{_HOST}-"))


def _sweep_one(path: Path, here: bool) -> None:
    room = path.is_dir()
    try:
        lock = os.open(path / "lock" if room else path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        if room:
            path.rmdir()  # killed before it had a lock: empty, or not ours to remove
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Some shared file systems lock within one machine only: what another one began must be old as well.
        dead = here or time.time() - _touched(path) > _DAY
        if dead:
            _empty(path) if room else path.unlink(missing_ok=True)
    except OSError:
        dead = False  # a living process holds it, or locks are not known here
    finally:
        os.close(lock)
    if dead and room:
        _drop(path)


def _touched(path: Path) -> float:
    inside = [path / name for name in ("new", "scratch")] if path.is_dir() else []
    return max(file.stat().st_mtime for file in (path, *inside) if file.exists())


# Inputs and outputs


def keep_apart(out: Path, *inputs: Path) -> None:
    """Raise SrgridError if `out` is one of the inputs, lies inside one or holds one; links are followed.

    Every command that reads images and writes calls this before it writes. Inputs are files and folders.
    """
    target = _chain(Path(out))
    for given in inputs:
        source = _chain(Path(given))
        if target[0] == source[0]:
            relation = f"is the input {given} itself"
        elif source[0] in target:
            relation = f"lies inside the input {given}"
        elif target[0] in source:
            relation = f"holds the input {given}"
        else:
            continue
        raise SrgridError(f"{out}: {relation}; choose another output, or the input would be lost")


def _chain(path: Path) -> list[object]:
    """What a path and the folders above it are: device and inode, or the path where there is nothing yet."""
    found: list[object] = []
    place = Path(os.path.realpath(path))
    for step in (place, *place.parents):
        try:
            known = os.stat(step)
            found.append((known.st_dev, known.st_ino))
        except OSError:
            found.append(str(step))
    return found


# Manifests


def write_manifest(folder: Path, made_by: dict[str, Any], files: dict[str, dict[str, Any]]) -> None:
    """Write manifest.json: what made the folder, and each file's entry (of images: `srgrid.images.describe`)."""
    with staged_file(folder / MANIFEST) as staged:
        staged.write_text(json.dumps({"made_by": made_by, "files": files}, indent=1, sort_keys=True) + "\n")


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a folder's manifest.json: `made_by` (an object) and `files` (name -> width, height, channels, sha256).

    Raises SrgridError if it is missing, cannot be read, or is anything else than such a manifest.
    """
    file = Path(folder) / MANIFEST
    if not file.is_file():
        raise SrgridError(f"{file}: missing manifest; if srgrid made the folder, delete it and make it again")
    try:
        manifest = json.loads(file.read_bytes())
        wrong = _wrong(manifest)
    except OSError as error:
        raise SrgridError(trouble(error, file)) from None
    except (ValueError, RecursionError) as error:
        wrong = f"not JSON: {error}" if isinstance(error, ValueError) else "nested too deeply"
    if wrong:
        raise SrgridError(
            f"{file}: damaged manifest ({wrong}); if srgrid made the folder, delete it and make it again, else take "
            "this file away"
        )
    return dict(manifest)


def _wrong(manifest: Any) -> str:
    """What is wrong with a manifest, or nothing."""
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        return "no object with `made_by` and `files`"
    if not isinstance(manifest.get("made_by"), dict):
        return "`made_by` is no object"
    for name, entry in manifest["files"].items():
        if not is_plain_name(name):
            return f"{name!r} is no file name"
        if not isinstance(entry, dict) or not is_sha256(entry.get("sha256")):
            return f"{name} has no digest"
        if any(type(entry.get(key)) is not int or entry[key] < 1 for key in ("width", "height", "channels")):
            return f"{name} has no size"
    return ""


def read_yaml(path: Path) -> Any:
    """A YAML file of this package or of the repository."""
    import yaml

    return yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def is_plain_name(name: object) -> bool:
    """Whether a value names a file in its own folder: no path, and nothing that a file system cannot hold."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        return False
    try:
        return len(os.fsencode(name)) <= 255
    except UnicodeEncodeError:
        return False


def is_sha256(value: object) -> bool:
    """Whether a value is a sha256 in hex."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def set_identity(digests: Mapping[str, str]) -> dict[str, Any]:
    """Number of images and one sha256 over names and pixel digests."""
    text = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return {"images": len(digests), "sha256": hashlib.sha256(os.fsencode(text)).hexdigest()}
