"""How far the score of one image moves when a network computes in bf16 instead of fp32.

    SRGRID_MIRROR=... python benchmarks/precision.py [--models rcan-bam-s rcan-s] [--sets Set5 Set14] [--scales 2 3 4]

Prints a Markdown table of the largest and the mean difference over a cell's images, under rgb8 and, for SR images that
are not rounded to 8 bits, under super-image. docs/ci.md gives what came out; srgrid.verification.tolerance allows it.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch

from srgrid.degrade import DEGRADATIONS
from srgrid.images import list_images, read
from srgrid.metrics import score
from srgrid.models import load
from srgrid.models.run import to_uint8, upscale_float
from srgrid.resize import modcrop


def moved(network, hr):
    """PSNR (dB) and SSIM in bf16 less those in fp32: of the 8-bit SR image, then of the one that is not rounded."""
    lr = DEGRADATIONS["matlab"].shrink(hr, network.scale)
    hr = modcrop(hr, network.scale)  # nothing is left for super-image's protocol to resize
    exact, short = (upscale_float(network, [lr], precision=name)[0] for name in ("fp32", "bf16"))
    pairs = (("rgb8", to_uint8(exact), to_uint8(short)), ("super-image", exact, short))
    scores = [[score(sr, hr, network.scale, protocol) for sr in pair] for protocol, *pair in pairs]
    return [[b.psnr - a.psnr, b.ssim - a.ssim] for a, b in scores]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["rcan-bam-s", "rcan-s"])
    parser.add_argument("--sets", nargs="+", default=["Set5", "Set14"])
    parser.add_argument("--scales", nargs="+", type=int, default=[2, 3, 4])
    options = parser.parse_args()
    torch.set_num_threads(1)
    mirror = Path(os.environ["SRGRID_MIRROR"])
    print("| model | scale | set | images | PSNR, largest | PSNR, mean | SSIM, largest | not rounded: PSNR | SSIM |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in options.models:
        for scale in options.scales:
            network = load(name, scale)
            for dataset in options.sets:
                images = [read(path) for path in list_images(mirror / dataset / "HR")]
                found = np.array([moved(network, image) for image in images])
                (psnr, ssim), (psnr_float, ssim_float) = np.abs(found).max(axis=0)
                print(
                    f"| {name} | x{scale} | {dataset} | {len(found)} | {psnr:.4f} dB | {found[:, 0, 0].mean():+.4f} dB"
                    f" | {ssim:.6f} | {psnr_float:.4f} dB | {ssim_float:.6f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
