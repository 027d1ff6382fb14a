"""Feed damaged files to every reader, and print what ended in anything but a result or a clear message.

    SRGRID_FUZZ_SECONDS=3600 SRGRID_FUZZ_SEED=7 python tests/fuzz/run.py     (make fuzz)

Without SRGRID_FUZZ_SECONDS each reader gets the fixed number of inputs of its row in `readers.py`. An input depends on
seed, reader and number alone. A finding's file is kept in build/fuzz.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from readers import READERS, ROOT, Reader

from srgrid.errors import SrgridError

SECONDS = 20  # for one input
GROWTH = 400 << 20  # bytes of memory, for one input
LIMIT = 6 << 30  # of memory for the process: a reader that asks for more gets MemoryError
KEPT = ROOT / "build/fuzz"


class Hang(BaseException):
    """Raised in a reader that takes too long."""


def main() -> None:
    """Print one JSON line a reader: inputs tried, and findings."""
    seed = os.environ.get("SRGRID_FUZZ_SEED", "0")
    seconds = float(os.environ.get("SRGRID_FUZZ_SECONDS", "0"))
    chosen = [reader for reader in READERS if not sys.argv[1:] or reader.name in sys.argv[1:]]
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _hang)
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with tempfile.TemporaryDirectory() as folder:
        for number, reader in enumerate(chosen):
            room = Path(folder) / f"reader{number}"
            room.mkdir()
            print(json.dumps(attack(reader, room, seed, seconds / len(chosen))), file=out, flush=True)
            shutil.rmtree(room)


def attack(reader: Reader, room: Path, seed: str, seconds: float) -> dict[str, Any]:
    """Inputs for one reader: so many seconds, or its own number of them."""
    originals = {file: file.read_bytes() for file in reader.seeds(room)}
    right, findings = {}, dict[str, Any]()
    for file in originals:
        try:
            right[file] = reader.call(file)
        except SrgridError as error:
            if reader.name != "image":  # of images, those of more than 8 bits and the like are to be refused
                findings[file.name] = {"input": -1, "file": file.name, "found": f"undamaged: {error}", "times": 1}
    busy = time.process_time()
    started, tried = time.monotonic(), 0
    while time.monotonic() - started < seconds if seconds else tried < reader.count:
        rng = random.Random(f"{seed}/{reader.name}/{tried}")
        file = rng.choice(list(originals))
        data = originals[file]
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            data = rng.choice(reader.kinds)(rng, data)
        file.write_bytes(data)
        (room.parent / "now").write_text(f"{reader.name} {tried}")
        found = judge(reader, file, right)
        if found:
            key = found.partition("\n")[0] if "\n" in found else re.sub(r"\d+|'[^']*'|/tmp\S*", "*", found)[:120]
            findings.setdefault(
                key, {"input": tried, "file": file.name, "found": found, "bytes": len(data), "times": 0}
            )
            findings[key]["times"] += 1
            _keep(reader, tried, file, data) if findings[key]["times"] == 1 else None
        tried += 1
        file.write_bytes(originals[file])
    took = round(time.monotonic() - started, 2)
    cpu = round(time.process_time() - busy, 2)
    return {"reader": reader.name, "tried": tried, "seconds": took, "cpu": cpu, "findings": list(findings.values())}


def judge(reader: Reader, file: Path, right: dict[Path, Any]) -> str:
    """What is wrong with how a reader took a file; nothing if it gave a result, or a message that names the file."""
    before = _memory("VmRSS", reset=True)
    try:
        with _alarm():
            result = reader.call(file)
    except SrgridError as error:
        return _message(error, reader, file) or _memory_of(before, error)
    except Hang:
        return f"no end after {SECONDS} s\n{traceback.format_exc(limit=-3)}"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in where if "srgrid" in frame.filename or "fuzz" in frame.filename][-1]
        return f"{type(error).__name__} at {Path(ours.filename).name}:{ours.lineno}\n{ours.line}\n{str(error)[:200]}"
    if reader.same and result != right[file]:
        return "taken, and the result is another"
    return _memory_of(before, None)


def _message(error: SrgridError, reader: Reader, file: Path) -> str:
    text = str(error)
    if not text.strip() or "\n\n" in text.strip() or len(text) > 20_000:
        return f"message is empty, endless or of several paragraphs: {text[:300]!r}"
    if any(ord(char) < 32 and char != "\n" for char in text):
        return f"message holds control characters: {text[:300]!r}"
    if not any(word in text for word in reader.says or (file.name, file.parent.name)):
        return f"message names neither file nor key: {text[:300]!r}"
    return ""


def _memory_of(before: int, error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, MemoryError):
            return f"asked for more than {LIMIT >> 30} GiB"
        error = error.__context__
    grown = _memory("VmHWM") - before
    return f"took {grown >> 20} MiB" if before and grown > GROWTH else ""


def _memory(field: str, reset: bool = False) -> int:
    """Resident memory of this process, or its peak since the last reset, in bytes; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) << 10
    return 0


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _hang(*_: Any) -> None:
    raise Hang


def _keep(reader: Reader, number: int, file: Path, data: bytes) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{reader.name.replace(' ', '-')}-{number}-{file.name}").write_bytes(data)


if __name__ == "__main__":
    main()
