"""Reading the images that figures and previews are made of, and the previews that the page shows."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from numpy.typing import NDArray

from srgrid.errors import SrgridError
from srgrid.files import PREVIEWS, read_manifest, set_identity, trouble
from srgrid.made import ImageFolder, open_images

Image = NDArray[np.generic]


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(item: str, length: int) -> dict[str, Any]:
    return {"type": "array", "items": {"type": item, "minimum": 0}, "minItems": length, "maxItems": length}


_TEXT, _NUMBER, _SCALE = {"type": "string"}, {"type": "number"}, {"type": "integer", "minimum": 1}
_METHODS = {"type": "object", "additionalProperties": _object(sr=_TEXT, error=_TEXT)}
_IMAGE = _object(
    image=_TEXT,
    role=_TEXT,
    whose=_TEXT,
    value_db={"type": ["number", "null"]},
    size=_list("integer", 2),
    view=_list("integer", 4),
    crop=_list("integer", 4),
    hr=_TEXT,
    thumb=_TEXT,
    methods=_METHODS,
)
_RECORD = Draft202012Validator(
    _object(
        dataset=_TEXT,
        scale=_SCALE,
        protocol=_TEXT,
        error_gain=_NUMBER,
        images={"type": "array", "items": _IMAGE},
        scores_sha256=_TEXT,
    )
)


def read_previews(folder: Path) -> dict[str, Any]:
    """The record (previews.json) of a folder that `srgrid.report.previews.previews` made: what its images show.

    Raises SrgridError if the record or an image is missing, damaged, or other than when the folder was made.
    """
    file = Path(folder) / PREVIEWS
    again = "make the previews again"
    made_by = read_manifest(folder)["made_by"]
    try:
        content = file.read_bytes()
        record = json.loads(content)
    except OSError as error:
        raise SrgridError(f"{trouble(error, file)}; {again}") from None
    except (ValueError, RecursionError):
        raise SrgridError(f"{file}: not readable JSON; {again}") from None
    if wrong := best_match(_RECORD.iter_errors(record)):
        raise SrgridError(f"{file}: {wrong.json_path}: {wrong.message}; {again}")
    if made_by.get("record") != hashlib.sha256(content).hexdigest():
        raise SrgridError(f"{file}: changed since the folder was made; {again}")
    images = open_images(folder)
    held = {path.name: path for path in images.files.values()}
    for name in _files_of(record):
        if name not in held:
            raise SrgridError(f"{file}: names {name!r}, which is no image of the folder; {again}")
        images.read(held[name])
    return dict(record)


def _files_of(record: Mapping[str, Any]) -> list[str]:
    found = []
    for image in record["images"]:
        found += [image["hr"], image["thumb"]]
        found += [name for method in image["methods"].values() for name in (method["sr"], method["error"])]
    return found


def open_folders(hr_dir: Path, sr_dirs: Mapping[str, Path]) -> tuple[ImageFolder, dict[str, ImageFolder]]:
    """The folders of HR and of every method's SR. Raises SrgridError as `srgrid.made.open_images`."""
    return open_images(hr_dir), {method: open_images(folder, floats=True) for method, folder in sr_dirs.items()}


def load_pair(hr: ImageFolder, srs: Mapping[str, ImageFolder], name: str) -> tuple[Image, dict[str, Image]]:
    """HR and every method's SR of the image of that stem, HR cropped at the right and bottom to SR's size.

    Raises SrgridError when there is no such image, it is not what its folder's manifest says, the methods' sizes
    differ, or SR is larger than HR.
    """
    whole = _load(hr, name)
    found = {method: _load(folder, name) for method, folder in srs.items()}
    sizes = {sr.shape[:2] for sr in found.values()}
    if len(sizes) != 1:
        raise SrgridError(f"{name}: the SR images of {', '.join(found)} have different sizes, {sorted(sizes)}.")
    height, width = sizes.pop()
    if height > whole.shape[0] or width > whole.shape[1]:
        raise SrgridError(
            f"{hr.files[name]} is {whole.shape[1]} x {whole.shape[0]} pixels, smaller than its SR, {width} x {height}."
        )
    return whole[:height, :width], found


def check_scored(
    tables: Mapping[str, Any], hr: ImageFolder, srs: Mapping[str, ImageFolder], cell: tuple[str, int, str]
) -> None:
    """Raise SrgridError, naming the folder, unless the images are those that were scored (dataset, scale, protocol).

    `tables` is the record of the scores' tables. Folders without a manifest, and what it does not list, are let pass.
    """
    dataset, scale, protocol = cell
    known = {method: tables.get("sr", {}).get(sr_key(dataset, scale, method, protocol)) for method in srs}
    for folder, scored in [(hr, tables.get("hr", {}).get(dataset)), *((srs[m], known[m]) for m in srs)]:
        if folder.made_by is None or scored is None:
            continue
        if set_identity({name: entry["sha256"] for name, entry in folder.noted.items()}) != scored:
            raise SrgridError(f"{folder.path}: other images than those that were scored; score them again")


def sr_key(dataset: str, scale: int | str, method: str, protocol: str) -> str:
    """The name of a cell's SR images in the record of the tables."""
    return f"{dataset} x{scale} {method} under {protocol}"


def _load(folder: ImageFolder, name: str) -> Image:
    if name not in folder.files:
        raise SrgridError(f"{folder.path} has no image {name}: make it again, or score what is there.")
    return folder.read(folder.files[name])
