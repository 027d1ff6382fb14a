"""LR images by declared degradations: lists of steps, and what enlarges their LR images for the bicubic baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from srgrid import images
from srgrid.code import code_identity
from srgrid.errors import SrgridError
from srgrid.files import keep_apart, staged_dir, write_manifest
from srgrid.grey import as_published
from srgrid.images import Array
from srgrid.interpolate import ENLARGERS, LUMA_ENLARGER
from srgrid.made import open_images
from srgrid.progress import track
from srgrid.resize import modcrop
from srgrid.steps import UNROUNDED, Steps, apply_steps, parse_steps


@dataclass(frozen=True)
class Degradation:
    """How HR becomes LR, and what enlarges it again."""

    name: str
    steps: Steps
    enlarger: str = "matlab"

    def shrink(self, hr: Array, scale: int) -> npt.NDArray[Any]:
        """LR of a uint8 HR image, H x W[ x 3]: uint8 with its channels, or, if it `is_luma`, float32 with one.

        Raises SrgridError if the image is smaller than the scale, and unless LR is of that type and 1/scale the size.
        """
        modcrop(hr, scale)  # for its message
        lr = apply_steps(hr, self.steps, scale)
        kind, channels = (np.float32, ()) if self.is_luma else (np.uint8, hr.shape[2:])
        more = 0 if self.crops else scale - 1  # of a whole image, sizes may be rounded up: imresize does
        sizes = [(side // scale, (side + more) // scale) for side in hr.shape[:2]]
        fits = lr.shape[2:] == channels and all(n in size for n, size in zip(lr.shape[:2], sizes, strict=True))
        if lr.dtype != kind or not fits:
            raise SrgridError(
                f"the steps of {self.name} make {lr.dtype} of shape {lr.shape} from {hr.shape} at scale {scale}; "
                f"they have to end with {np.dtype(kind)} of 1/scale the size"
            )
        return lr

    def enlarge(self, lr: npt.NDArray[Any], scale: int) -> Array:
        """The bicubic baseline: LR enlarged, uint8. Raises SrgridError for LR that is not what `shrink` makes."""
        if self.is_luma != (lr.dtype != np.uint8):
            wanted = "float32 luma, H x W, which is not rounded" if self.is_luma else "uint8"
            raise SrgridError(f"degradation {self.name} enlarges {wanted}; got {lr.dtype} of shape {lr.shape}")
        return ENLARGERS[self.enlarger](lr, scale)

    def require_images(self) -> None:
        """Raise SrgridError if its LR images are none that a network can be trained on or be given."""
        if self.is_luma:
            raise SrgridError(
                f"degradation {self.name}: makes luma that is not rounded, for bicubic alone; choose another one"
            )

    @property
    def is_luma(self) -> bool:
        """Whether LR is the luma alone, never rounded, and the baseline 8-bit luma."""
        return self.enlarger == LUMA_ENLARGER

    @property
    def crops(self) -> bool:
        """Whether HR is cropped to a multiple of the scale first, or shrunk whole."""
        return self.steps[0][0] == "modcrop"

    def record(self) -> dict[str, Any]:
        """Name and steps, for manifests."""
        return {"name": self.name, "steps": [{name: argument} for name, argument in self.steps]}


# matlab: imresize, bit for bit. pillow: Pillow's BICUBIC, as super-image uses it. luma-unrounded: by it
# most bicubic values that papers print come out; found by trying (docs/literature.md).
_BUILT_IN: dict[str, Any] = {
    "matlab": [{"modcrop": "scale"}, {"imresize": "1/scale"}],
    "matlab-uncropped": [{"imresize": "1/scale"}],
    "pillow": {"steps": [{"modcrop": "scale"}, {"pillow-bicubic": "1/scale"}], "enlarger": "pillow"},
    "pillow-uncropped": {"steps": [{"pillow-bicubic": "1/scale"}], "enlarger": "pillow"},
    "luma-unrounded": {"steps": [{"modcrop": "scale"}, {UNROUNDED: "1/scale"}], "enlarger": LUMA_ENLARGER},
}


def define(name: str, given: object) -> Degradation:
    """A degradation from its steps, or from `{steps: [...], enlarger: pillow}`. Raises SrgridError for other forms."""
    fields = dict(given) if isinstance(given, Mapping) else {"steps": given}
    steps, enlarger = fields.pop("steps", None), fields.pop("enlarger", "matlab")
    try:
        if fields:
            raise SrgridError(f"{', '.join(map(str, fields))}: no such key; the keys are steps, enlarger")
        if enlarger not in ENLARGERS:
            raise SrgridError(f"unknown enlarger {enlarger!r}; choose one of {', '.join(ENLARGERS)}")
        made = Degradation(name, parse_steps(steps), enlarger)
        if made.is_luma != (made.steps[-1][0] == UNROUNDED):
            raise SrgridError(f"the enlarger {LUMA_ENLARGER} and the step {UNROUNDED}, as the last one, go together")
        return made
    except SrgridError as error:
        raise SrgridError(f"degradations.{name}: {error}") from None


DEGRADATIONS: dict[str, Degradation] = {name: define(name, given) for name, given in _BUILT_IN.items()}


def degradations(extra: Mapping[str, object] | None = None) -> dict[str, Degradation]:
    """The built-in degradations and those of a config: `{name: [{modcrop: scale}, {imresize: 1/scale}]}`.

    Raises SrgridError, naming the key, for what is no list of known steps, or a built-in name defined again.
    """
    made = {}
    for name, given in (extra or {}).items():
        if name in DEGRADATIONS:
            raise SrgridError(f"degradations.{name}: is built in and cannot be redefined; choose another name")
        made[name] = define(name, given)
    return DEGRADATIONS | made


def get_degradation(name: str | Degradation, known: Mapping[str, Degradation] | None = None) -> Degradation:
    """The degradation of that name, or itself. Raises SrgridError, listing the names, if there is none."""
    if isinstance(name, Degradation):
        return name
    known = DEGRADATIONS if known is None else known
    if name not in known:
        raise SrgridError(f"unknown degradation {name!r}; choose one of {', '.join(known)}")
    return known[name]


def try_out(degradation: Degradation, scale: int) -> None:
    """Raise SrgridError unless a degradation, and what enlarges again, work: on an image of 64 x 48 LR pixels."""
    hr = np.zeros((48 * scale, 64 * scale, 3), np.uint8)
    try:
        degradation.enlarge(degradation.shrink(hr, scale), scale)
    except SrgridError as error:
        raise SrgridError(f"degradations.{degradation.name}: {error}") from None


def make_lr(hr_dir: Path, out_dir: Path, scale: int, degradation: str | Degradation = "matlab") -> None:
    """Write the LR image (PNG) of every image in `hr_dir`, and a manifest, to `out_dir`; all of them or nothing.

    Of a grey HR image (`srgrid.grey.is_grey`) LR has one channel, however HR is stored. Luma that is not rounded is
    written as arrays (.npy, float32).
    Raises SrgridError, naming the file, for an image that cannot be read or is smaller than the scale, and if `out_dir`
    is `hr_dir`, or one lies in the other.
    """
    if scale != int(scale) or scale < 1:
        raise SrgridError(f"scale must be a positive integer, got {scale}")
    chosen = get_degradation(degradation)
    folder = open_images(hr_dir)
    keep_apart(out_dir, hr_dir, *folder.files.values())
    entries = {}
    with staged_dir(out_dir) as staged:
        for stem, hr_file in track(list(folder.files.items()), f"LR x{scale} {chosen.name} {hr_dir}"):
            hr = folder.read_or_list(hr_file)
            try:
                lr = chosen.shrink(as_published(hr), scale)
            except SrgridError as error:
                raise SrgridError(f"{hr_file}: {error}") from None
            file = staged / f"{stem}{'.npy' if chosen.is_luma else '.png'}"
            images.store(file, lr)
            entries[file.name] = images.describe(lr)
        made_by = {"step": "lr", "degradation": chosen.name, "steps": chosen.record()["steps"], "scale": scale}
        write_manifest(staged, made_by | {"inputs": folder.digests, "code": code_identity("srgrid.degrade")}, entries)
