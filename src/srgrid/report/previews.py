"""Crops and scaled previews for the page, made once from the images, so that the card is re-made without them."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from srgrid.files import PREVIEWS, staged_dir, write_manifest
from srgrid.images import describe_folder
from srgrid.records import file_digest, write_record
from srgrid.report.choose import Crop, luma
from srgrid.report.selection import Selection, Shown
from srgrid.report.sources import CellImages, Image

VIEW = 320  # pixels a side of the region that the page can zoom into
PART = 160  # of an image that may not be passed on; and at most half of each of its sides
WHOLE = 640  # pixels of the longer side of an image that the page holds whole
THUMB = 280  # pixels of the longer side of the small picture of an image
ERROR_GAIN = 4  # the error map shows 4 x |Y(SR) - Y(HR)|
QUALITY = {"view": 93, "thumb": 78, "error": 70}


def previews(selection: Selection, cell: CellImages, out_dir: Path, whole: bool = True) -> None:
    """Write WebP previews of a cell's selected images, and `previews.json` that lists them.

    Per image: the whole HR, scaled down; at full size HR and each method, all of an image of up to 640 pixels a side,
    of a larger one a region of up to 320 x 320 around the crop; and per method the map of its luma error there (x 4).
    Without `whole`, for images that may not be passed on: nothing but a region of up to 160 x 160 around the crop, and
    of at most half of each side of the image, unless the crop itself is larger.
    """
    cell.keep_apart(out_dir)
    with staged_dir(Path(out_dir)) as staged:
        entries = [_preview(shown, str(k), cell, staged, whole) for k, shown in enumerate(selection.compare)]
        made_by = {"function": "srgrid.report.previews.previews", **selection.cell, "error_gain": ERROR_GAIN}
        write_manifest(staged, made_by, describe_folder(staged))
        files = {file.name: file_digest(file) for file in sorted(staged.glob("*.webp"))}
        record = {**selection.origin(), "error_gain": ERROR_GAIN, "images": entries, "sha256": files}
        write_record(staged / PREVIEWS, "previews", record)


def _preview(shown: Shown, index: str, cell: CellImages, out: Path, whole: bool) -> dict[str, Any]:
    hr, srs = cell.pair(shown.choice.image)
    height, width = hr.shape[:2]
    view = (
        (0, 0, width, height)
        if whole and max(width, height) <= WHOLE
        else view_around(shown.crop, width, height, whole)
    )
    methods = {}
    for number, (method, sr) in enumerate(srs.items()):
        error = np.abs(luma(_cut(sr, view)) - luma(_cut(hr, view))) * ERROR_GAIN
        sr_file, error_file = f"{index}_{number}.webp", f"{index}_{number}_error.webp"
        _save(_cut(sr, view), out / sr_file, "view")
        _save(error, out / error_file, "error")
        methods[method] = {"sr": sr_file, "error": error_file}
    _save(_cut(hr, view), out / f"{index}_hr.webp", "view")
    _save(hr if whole else _cut(hr, view), out / f"{index}_thumb.webp", "thumb", THUMB)
    pictures = {"hr": f"{index}_hr.webp", "thumb": f"{index}_thumb.webp", "whole": whole, "methods": methods}
    return {**shown.entry(), "size": [width, height], "view": list(view), **pictures}


def view_around(crop: Crop, width: int, height: int, whole: bool = True) -> Crop:
    """The region around a crop that the page holds (`previews`), centred as far as the image's borders allow."""
    x, y, w, h = crop
    if whole:
        view_w, view_h = min(VIEW, width), min(VIEW, height)
    else:
        view_w, view_h = max(w, min(PART, width // 2)), max(h, min(PART, height // 2))
    left = min(max(x + w // 2 - view_w // 2, 0), width - view_w)
    top = min(max(y + h // 2 - view_h // 2, 0), height - view_h)
    return left, top, view_w, view_h


def _cut(image: Image, view: Crop) -> Image:
    x, y, w, h = view
    return image[y : y + h, x : x + w]


def _save(image: Image, path: Path, kind: str, longest: int | None = None) -> None:
    shown = np.clip(np.floor(np.asarray(image, dtype=np.float64) + 0.5), 0, 255).astype(np.uint8)
    picture = Pillow.fromarray(shown)
    if longest is not None and max(picture.size) > longest:
        picture.thumbnail((longest, longest), Pillow.Resampling.LANCZOS)
    picture.save(path, format="WEBP", quality=QUALITY[kind], method=6)
