"""LR images by declared degradations: which bicubic kernel, and whether the HR image is cropped first."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from srgrid import images
from srgrid.code import code_identity
from srgrid.errors import SrgridError
from srgrid.files import keep_apart, staged_dir, write_manifest
from srgrid.grey import as_published
from srgrid.images import Array
from srgrid.made import open_images
from srgrid.progress import track
from srgrid.protocols import Protocol
from srgrid.resize import imresize, modcrop


@dataclass(frozen=True)
class Degradation:
    """How HR becomes LR. `matlab`: imresize, bit for bit. `pillow`: Pillow's BICUBIC, mirrored by super-image."""

    name: str
    kernel: str
    crop: bool  # HR cropped to a multiple of the scale first (modcrop), or shrunk whole

    def shrink(self, hr: Array, scale: int) -> Array:
        """LR of a uint8 HR image, H x W[ x 3]. Raises SrgridError if the image is smaller than the scale."""
        cropped = modcrop(hr, scale)
        if self.crop:
            hr = cropped
        if self.kernel == "matlab":
            return imresize(hr, float(Fraction(1, scale)))
        return _pillow(hr, hr.shape[1] // scale, hr.shape[0] // scale)

    def enlarge(self, lr: Array, scale: int) -> Array:
        """The bicubic baseline: LR enlarged by the same kernel, uint8."""
        if self.kernel == "matlab":
            return imresize(lr, float(scale))
        return _pillow(lr, lr.shape[1] * scale, lr.shape[0] * scale)


DEGRADATIONS: dict[str, Degradation] = {
    d.name: d
    for d in (
        Degradation("matlab", "matlab", crop=True),
        Degradation("matlab-uncropped", "matlab", crop=False),
        Degradation("pillow", "pillow", crop=True),
        Degradation("pillow-uncropped", "pillow", crop=False),
    )
}


def get_degradation(name: str) -> Degradation:
    """The degradation of that name. Raises SrgridError, listing the names, if there is none."""
    if name not in DEGRADATIONS:
        raise SrgridError(f"unknown degradation {name!r}; choose one of {', '.join(DEGRADATIONS)}")
    return DEGRADATIONS[name]


def degradation_of(protocol: Protocol) -> str:
    """The name of the degradation that makes a protocol's LR images."""
    return protocol.lr_kernel if protocol.hr == "crop" else f"{protocol.lr_kernel}-uncropped"


def make_lr(hr_dir: Path, out_dir: Path, scale: int, degradation: str = "matlab") -> None:
    """Write the LR image (PNG) of every image in `hr_dir`, and a manifest, to `out_dir`; all of them or nothing.

    Of a grey HR image (`srgrid.grey.is_grey`) LR has one channel, however HR is stored.
    Raises SrgridError, naming the file, for an image that cannot be read or is smaller than the scale, and if `out_dir`
    is `hr_dir`, or one lies in the other.
    """
    if scale != int(scale) or scale < 1:
        raise SrgridError(f"scale must be a positive integer, got {scale}")
    recipe = get_degradation(degradation)
    folder = open_images(hr_dir)
    keep_apart(out_dir, hr_dir, *folder.files.values())
    images.check_all(folder.files.values())
    entries = {}
    with staged_dir(out_dir) as staged:
        for stem, file in track(list(folder.files.items()), f"LR x{scale} {degradation} {hr_dir}"):
            hr = folder.read(file)
            try:
                lr = recipe.shrink(as_published(hr), scale)
            except SrgridError as error:
                raise SrgridError(f"{file}: {error}") from None
            images.write(staged / f"{stem}.png", lr)
            entries[f"{stem}.png"] = images.describe(lr)
        made_by = {"step": "lr", "degradation": degradation, "scale": scale, "inputs": folder.digests}
        write_manifest(staged, made_by | {"code": code_identity("srgrid.degrade")}, entries)


def _pillow(image: Array, width: int, height: int) -> Array:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC), dtype=np.uint8)
