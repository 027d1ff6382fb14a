"""What a training set of DIV2K's size takes: a stand-in of 800 made images of 2040 x 1356, from a host on this machine.

    python benchmarks/div2k_size.py FOLDER [--images 800] [--model rcan-bam] [--steps 5] [--scales 2 3 4] [--batch 64]

Makes an archive of the stand-in (noise on gradients, which packs as photographs do), serves it, fetches and verifies
it, makes LR images, the shared HR file and a pack for each scale, and trains a few steps at the first scale: killed
once a checkpoint is there, and resumed. Prints seconds, CPU seconds and MB of memory of each command, and the most GB
that FOLDER held meanwhile and holds afterwards. 800 images need 24 GB in FOLDER, which must be empty.
"""

import argparse
import functools
import io
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image

NAME = "standin"


@functools.lru_cache(1)
def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 10, (height, width, 3), dtype=np.uint8)


def stand_in(size: tuple[int, int], number: int) -> bytes:
    """A PNG, another for each number; of 2040 x 1356 pixels about 5 MB."""
    rng = np.random.default_rng(number)
    width, height = size
    waves = []
    for _ in range(3):  # sin(y + x) of its own wavelengths, as products of two short vectors
        y, x = (np.arange(n, dtype=np.float32) / rng.uniform(40, 400) for n in (height, width))
        waves.append(np.outer(np.sin(y), np.cos(x)) + np.outer(np.cos(y), np.sin(x)))
    image = (120 + 80 * np.stack(waves, axis=2)).astype(np.uint8)
    image += np.roll(noise(width, height), rng.integers(0, min(size), 2), (0, 1))
    content = io.BytesIO()
    Image.fromarray(image).save(content, "png", compress_level=1)
    return content.getvalue()


def make_archive(file: Path, count: int, size: tuple[int, int]) -> None:
    with zipfile.ZipFile(file, "w") as archive, ThreadPoolExecutor(2) as pool:
        for start in range(0, count, 8):  # few are held at once
            if (parent := multiprocessing.parent_process()) and not parent.is_alive():
                sys.exit("stopped")
            numbers = range(start + 1, min(start + 8, count) + 1)
            for number, content in zip(numbers, pool.map(functools.partial(stand_in, size), numbers), strict=True):
                archive.writestr(f"{NAME}/{number:04}.png", content)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def serve(folder: Path) -> str:
    """Serve a folder's files from a thread; returns its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def held(folder: Path) -> int:
    """Bytes on disk under a folder, as far as its files stay while it is walked."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def measure(folder: Path, label: str, *words: object, until: Callable[[], bool] | None = None) -> None:
    """Run a command of srgrid and print what it took; kill it as soon as `until` says so. Exits where it fails."""
    command = [sys.executable, "-m", "srgrid", *map(str, words)]
    variables = os.environ | {"SRGRID_CACHE": str(folder / "cache"), "no_proxy": "127.0.0.1"}
    variables.pop("SRGRID_MIRROR", None)
    started, most, status, killed = time.monotonic(), 0, None, False
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    printed: list[str] = []
    reader = threading.Thread(target=lambda: printed.extend(process.stdout or ()))
    reader.start()
    while status is None:
        time.sleep(0.5)
        most = max(most, held(folder))
        if until and not killed and until():
            process.send_signal(signal.SIGKILL)
            killed = True
        done, code, used = os.wait4(process.pid, os.WNOHANG)
        status = code if done else None
    seconds = time.monotonic() - started
    reader.join()
    if bool(until) != killed or bool(status) != killed:
        sys.exit("".join(printed) or f"{label}: was over before it could be killed")
    cpu, memory = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6
    gigabytes = f"{most / 1e9:6.1f} GB at most {held(folder) / 1e9:6.1f} GB then"
    print(f"{label:24} {seconds:8.1f} s {cpu:8.1f} s CPU {memory:7.0f} MB {gigabytes}", flush=True)


def prepare(folder: Path, count: int, size: tuple[int, int], scales: list[int]) -> None:
    """From the archive to packs."""
    (folder / "host").mkdir(parents=True)
    started = time.monotonic()
    # In a process of its own: the memory of a command is told as at least that of the process which starts it.
    made = (folder / f"host/{NAME}.zip", count, size)
    maker = multiprocessing.get_context("spawn").Process(target=make_archive, args=made)
    maker.start()
    maker.join()
    if maker.exitcode:
        sys.exit("the archive could not be made")
    print(f"{count} images of {size[0]} x {size[1]} made in {time.monotonic() - started:.0f} s", flush=True)
    url = f"{serve(folder / 'host')}/{NAME}.zip"
    source = {"kind": "archive", "host": "this machine", "url": url, "members": [f"{NAME}/*.png"]}
    names = {"format": "{:04d}", "first": 1}
    define = json.dumps({NAME: {"images": count, "use": "train", "names": names, "sources": [source]}})
    hr = folder / "HR" / NAME
    measure(folder, "fetch", "data", "fetch", NAME, hr, "--define", define)
    words = ("data", "verify", hr, "--dataset", NAME, "--report", folder / "verified.json", "--define", define)
    measure(folder, "verify", *words)
    for scale in scales:
        measure(folder, f"lr x{scale}", "lr", hr, folder / f"LR/x{scale}", "--scale", scale)
    measure(folder, "pack-hr", "pack-hr", hr, "--out", folder / f"{NAME}.srhr")
    for scale in scales:
        out = folder / f"{NAME}_x{scale}.srpack"
        measure(folder, f"pack x{scale}", "pack", folder / f"{NAME}.srhr", "--scale", scale, "--out", out)


def train(folder: Path, model: str, scale: int, steps: int, batch: int) -> None:
    """A training that is killed at its first checkpoint, and goes on."""
    state = folder / "state"
    settings = json.dumps({"steps": steps, "batch": batch, "checkpoint_every": 1, "log_every": 1})
    words = ["train", "--model", model, "--scale", scale, "--pack", folder / f"{NAME}_x{scale}.srpack"]
    words += ["--out", folder / f"{model}_x{scale}.safetensors", "--state", state]
    words += ["--recipe", "full", "--settings", settings, "--device", "cpu"]
    words += ["--threads", len(os.sched_getaffinity(0))]
    measure(folder, f"{model}, killed", *words, until=lambda: any(state.glob("step-*.ckpt")))
    measure(folder, f"{model}, {steps} steps", *words)
    print((state / "log.jsonl").read_text(), end="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an empty folder, or none yet; it stays")
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--size", type=int, nargs=2, default=(2040, 1356), help="width and height")
    parser.add_argument("--model", default="rcan-bam")
    parser.add_argument("--steps", type=int, default=5, help="0: trains nothing")
    parser.add_argument("--scales", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--batch", type=int, default=64, help="recipe `full` has 64")
    options = parser.parse_args()
    folder = options.folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        parser.error(f"{folder}: is not empty; give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = options.images * 30e6, shutil.disk_usage(folder).free
    if needed > free:
        parser.error(f"{folder}: {free / 1e9:.0f} GB are free and {needed / 1e9:.0f} needed; lower --images")
    prepare(folder, options.images, tuple(options.size), options.scales)
    if options.steps:
        train(folder, options.model, options.scales[0], options.steps, options.batch)


if __name__ == "__main__":
    main()
