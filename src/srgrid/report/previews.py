"""Crops and scaled previews for the page, made once from the images, so that the card is re-made without them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from srgrid.errors import SrgridError
from srgrid.files import PREVIEWS, keep_apart, staged_dir, write_manifest
from srgrid.images import describe_folder
from srgrid.records import file_digest, tables_record, write_record
from srgrid.report.choose import Choice, Crop, choose_crop, choose_images, luma
from srgrid.report.figures import crop_size
from srgrid.report.sources import check_scored, load_pair, open_folders
from srgrid.report.tables import recorded_scores

Image = NDArray[np.generic]

VIEW = 320  # pixels a side of the region that the page can zoom into
THUMB = 280  # pixels of the longer side of the whole image's preview
ERROR_GAIN = 4  # the error map shows 4 x |Y(SR) - Y(HR)|
QUALITY = {"view": 93, "thumb": 78, "error": 70}


def previews(
    scores_csv: Path,
    hr_dir: Path,
    sr_dirs: Mapping[str, Path],
    *,
    dataset: str,
    scale: int,
    protocol: str,
    out_dir: Path,
    count: int = 5,
    crop_side: int | None = None,
) -> None:
    """Write WebP previews of `count` chosen images of one dataset and scale, and `previews.json` that lists them.

    Per image: the whole HR, scaled down; of HR and of each method a region of up to 320 x 320 pixels at full size
    around the place (`crop_side` pixels a side) where the methods differ most; and per method the map of its luma
    error there (x 4).
    """
    if not sr_dirs:
        raise SrgridError(f"No SR folders for {out_dir}: give at least bicubic's.")
    keep_apart(out_dir, scores_csv, hr_dir, *sr_dirs.values())
    hr, srs = open_folders(hr_dir, sr_dirs)
    check_scored(tables_record(Path(scores_csv).parent), hr, srs, (dataset, scale, protocol))
    chosen = choose_images(recorded_scores(scores_csv), dataset, scale, protocol, count=count)
    with staged_dir(Path(out_dir)) as staged:
        entries = [
            _preview(choice, index, load_pair(hr, srs, choice.image), staged, crop_side)
            for index, choice in enumerate(chosen)
        ]
        record = {"dataset": dataset, "scale": scale, "protocol": protocol, "error_gain": ERROR_GAIN, "images": entries}
        made_by = {"function": "srgrid.report.previews.previews", **{k: record[k] for k in record if k != "images"}}
        write_manifest(staged, made_by, describe_folder(staged))
        files = {file.name: file_digest(file) for file in sorted(staged.glob("*.webp"))}
        own = {"scores_sha256": file_digest(scores_csv), "sha256": files}
        write_record(staged / PREVIEWS, "previews", record | own)


def _preview(
    choice: Choice, index: int, pair: tuple[Image, dict[str, Image]], out: Path, crop_side: int | None
) -> dict[str, Any]:
    hr, srs = pair
    height, width = hr.shape[:2]
    crop = choose_crop(srs, crop_size(width, height, crop_side), margin=4)
    view = view_around(crop, width, height)
    methods = {}
    for number, (method, sr) in enumerate(srs.items()):
        error = np.abs(luma(_cut(sr, view)) - luma(_cut(hr, view))) * ERROR_GAIN
        sr_file, error_file = f"{index}_{number}.webp", f"{index}_{number}_error.webp"
        _save(_cut(sr, view), out / sr_file, "view")
        _save(error, out / error_file, "error")
        methods[method] = {"sr": sr_file, "error": error_file}
    _save(_cut(hr, view), out / f"{index}_hr.webp", "view")
    _save(hr, out / f"{index}_thumb.webp", "thumb", THUMB)
    return {
        "image": choice.image,
        "role": choice.role,
        "whose": choice.whose,
        "value_db": round(choice.value, 6) if np.isfinite(choice.value) else None,
        "size": [width, height],
        "view": list(view),
        "crop": list(crop),
        "hr": f"{index}_hr.webp",
        "thumb": f"{index}_thumb.webp",
        "methods": methods,
    }


def view_around(crop: Crop, width: int, height: int) -> Crop:
    """The region of at most 320 x 320 pixels centred on the crop as far as the image's borders allow."""
    x, y, w, h = crop
    view_w, view_h = min(VIEW, width), min(VIEW, height)
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
