"""imresize beside Pillow and BasicSR: a 2040 x 1356 RGB image by 1/4, one thread each, in turn.

    python benchmarks/resize_speed.py [IMAGE]

Prints the median time of each and the ratios, and, when SRGRID_MIRROR is set, in how many samples each differs from
MATLAB's own LR files of Set5.
"""

import os
import statistics
import sys
import time
from pathlib import Path

import _peers
import numpy as np
import torch
from PIL import Image
from skimage.data import astronaut
from threadpoolctl import threadpool_limits

from srgrid.images import read
from srgrid.resize import imresize, modcrop

torch.set_num_threads(1)
ROUNDS = 15


def pillow(image, scale):
    size = round(image.width * scale), round(image.height * scale)
    return image.resize(size, Image.Resampling.BICUBIC)


def basicsr(image, scale, port=None):
    out = port(image.astype(np.float32) / 255, scale)
    return np.clip(np.round(out * 255), 0, 255).astype(np.uint8)


def main():
    image = read(sys.argv[1]) if len(sys.argv) > 1 else np.tile(astronaut(), (3, 4, 1))[:1356, :2040]
    port = _peers.load("basicsr.utils.matlab_functions").imresize
    methods = {
        "srgrid": imresize,
        "Pillow": lambda image, scale: np.asarray(pillow(Image.fromarray(image), scale)),
        "BasicSR": lambda image, scale: basicsr(image, scale, port),
    }
    times = {name: [] for name in methods}
    picture = Image.fromarray(image)
    timed = methods | {"Pillow": lambda _, scale: pillow(picture, scale)}
    for _ in range(ROUNDS):
        for name, method in timed.items():
            start = time.perf_counter()
            method(image, 0.25)
            times[name].append(time.perf_counter() - start)
    ours = statistics.median(times["srgrid"])
    print(f"{image.shape[1]} x {image.shape[0]} by 1/4, one thread, median of {ROUNDS} in turn")
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"  {name:8} {middle * 1e3:7.1f} ms   srgrid takes {ours / middle:.2f} of its time")
    mirror = os.environ.get("SRGRID_MIRROR")
    if mirror:
        exactness(Path(mirror) / "Set5", methods)


def exactness(set5, methods):
    for name, method in methods.items():
        differing = total = 0
        for scale in (2, 3, 4):
            for file in sorted((set5 / "HR").iterdir()):
                truth = read(next((set5 / "LR_matlab" / f"x{scale}").glob(f"{file.stem}*")))
                made = method(modcrop(read(file), scale), 1 / scale)
                differing += int((made != truth).sum())
                total += truth.size
        share = 100 * differing / total
        print(f"  {name:8} differs from MATLAB's files in {differing} of {total} samples ({share:.2f} %)")


with threadpool_limits(1):
    main()
