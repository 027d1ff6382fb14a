"""Scoring beside peers: PSNR-Y and SSIM-Y of the bicubic x4 images of BSD100, one thread, one image after the other.

    SRGRID_MIRROR=... python benchmarks/score_speed.py [IMAGES]

Prints each program's median time per image, our share of it, and how far its mean over the images is from ours, which
is scikit-image's in float64. Every program is timed from the same 8-bit arrays, colour conversion included.
"""

import os
import statistics
import sys
import time
from pathlib import Path

import _peers
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from srgrid.degrade import DEGRADATIONS
from srgrid.images import list_images, read
from srgrid.metrics import score
from srgrid.resize import modcrop

SCALE = 4
torch.set_num_threads(1)
cv2 = _peers.load("cv2")
cv2.setNumThreads(1)


def ours(sr, hr):
    return score(sr, hr, SCALE)


def studiosr():
    module = _peers.load("studiosr.utils.metrics")

    def run(sr, hr):
        return (
            module.compute_psnr(sr, hr, y_only=True, crop_border=SCALE),
            module.compute_ssim(sr, hr, y_only=True, crop_border=SCALE),
        )

    return run


def super_image():
    module = _peers.load("super_image.utils.metrics")

    def luma(image):
        tensor = torch.tensor(image).permute(2, 0, 1).float() / 255
        return module.convert_rgb_to_y(module.denormalize(tensor), dim_order="chw")[SCALE:-SCALE, SCALE:-SCALE]

    def run(sr, hr):
        sr_y, hr_y = luma(sr), luma(hr)
        return float(module.calc_psnr(sr_y, hr_y)), module.calc_ssim(sr_y, hr_y)

    return run


def basicsr():
    colour = _peers.load("basicsr.utils.color_util")
    sys.modules["basicsr.utils"].bgr2ycbcr = colour.bgr2ycbcr  # what the metrics take from the package
    module = _peers.load("basicsr.metrics.psnr_ssim")

    def run(sr, hr):
        sr, hr = sr[..., ::-1], hr[..., ::-1]  # it expects BGR
        return (
            module.calculate_psnr(sr, hr, crop_border=SCALE, test_y_channel=True),
            module.calculate_ssim(sr, hr, crop_border=SCALE, test_y_channel=True),
        )

    return run


def main():
    if "SRGRID_MIRROR" not in os.environ:
        sys.exit("SRGRID_MIRROR: set it to a folder that holds BSD100/HR")
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    bicubic = DEGRADATIONS["matlab"]
    pairs = []
    for file in list_images(Path(os.environ["SRGRID_MIRROR"]) / "BSD100" / "HR")[:count]:
        hr = modcrop(read(file), SCALE)
        pairs.append((bicubic.enlarge(bicubic.shrink(hr, SCALE), SCALE), hr))
    programs = {
        "srgrid": ours,
        "studiosr": studiosr(),
        "super-image": super_image(),
        "BasicSR": basicsr(),
    }
    times = {name: [] for name in programs}
    values = {name: [] for name in programs}
    for sr, hr in pairs:
        for name, run in programs.items():
            start = time.perf_counter()
            result = run(sr, hr)
            times[name].append(time.perf_counter() - start)
            values[name].append(tuple(result))
    truth = np.mean(values["srgrid"], axis=0)
    print(f"{len(pairs)} images of BSD100 at x{SCALE}, one thread, in turn; mean {truth[0]:.6f} dB / {truth[1]:.8f}")
    mine = statistics.median(times["srgrid"])
    for name in programs:
        middle = statistics.median(times[name])
        off = np.mean(values[name], axis=0) - truth
        print(
            f"  {name:13} {middle * 1e3:7.2f} ms an image   srgrid takes {mine / middle:.2f} of its time"
            f"   off by {off[0]:+.1e} dB, {off[1]:+.1e}"
        )


with threadpool_limits(1):
    main()
