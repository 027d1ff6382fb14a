"""Finding the HR and SR images that a figure or preview shows."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srgrid.errors import SrgridError
from srgrid.images import load_array
from srgrid.names import EXTENSIONS, stem

Image = NDArray[np.generic]


def find_image(folder: Path, name: str) -> Path:
    """The file of image `name` (its stem) in a folder. Raises SrgridError when there is none."""
    folder = Path(folder)
    wanted = stem(Path(f"{name}.png"))
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    candidates = [path for path in entries if path.suffix.lower() in EXTENSIONS | {".npy"} and stem(path) == wanted]
    if not candidates:
        raise SrgridError(f"{folder} has no image {name}: make it again, or score what is there.")
    return candidates[0]


def load_pair(hr_dir: Path, sr_dirs: Mapping[str, Path], name: str) -> tuple[Image, dict[str, Image]]:
    """HR and every method's SR of one image, HR cropped at the right and bottom to SR's size.

    Raises SrgridError when the methods' sizes differ, or SR is larger than HR.
    """
    hr_file = find_image(hr_dir, name)
    hr = load_array(hr_file)
    srs: dict[str, Image] = {method: load_array(find_image(folder, name)) for method, folder in sr_dirs.items()}
    sizes = {sr.shape[:2] for sr in srs.values()}
    if len(sizes) != 1:
        raise SrgridError(f"{name}: the SR images of {', '.join(srs)} have different sizes, {sorted(sizes)}.")
    height, width = sizes.pop()
    if height > hr.shape[0] or width > hr.shape[1]:
        raise SrgridError(
            f"{hr_file} is {hr.shape[1]} x {hr.shape[0]} pixels, smaller than its SR, {width} x {height}."
        )
    return hr[:height, :width], srs
