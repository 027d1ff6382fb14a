"""Folders of images as inputs: one that srgrid made is held against its manifest while it is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from srgrid import images, photographs
from srgrid.errors import SrgridError
from srgrid.files import MANIFEST, is_sha256, read_manifest, set_identity
from srgrid.names import some, taken
from srgrid.photographs import Photo

_AGAIN = "delete the folder and make it again"


@dataclass
class ImageFolder:
    """The images of a folder, by stem. `made_by` is its manifest's, None for a user's own folder: read unchecked."""

    path: Path
    files: dict[str, Path]
    made_by: dict[str, Any] | None
    noted: Mapping[str, Any] = field(repr=False)  # file name -> manifest entry
    digests: dict[str, str] = field(default_factory=dict, repr=False)  # of what was read so far, by file name

    def read(self, file: Path) -> npt.NDArray[Any]:
        """The samples of one of `files`: uint8, or float32 of a .npy.

        Raises SrgridError if it cannot be read, or has other pixels than when the folder was made.
        """
        image = images.load_array(file)
        self._check(file, image)
        return image

    def read_or_list(self, file: Path) -> npt.NDArray[Any]:
        """As `read`, but the error lists every file of the folder that cannot be read as an image, where there are
        some."""
        try:
            return self.read(file)
        except SrgridError:
            images.check_all(self.files.values())
            raise

    def photo(self, file: Path) -> Photo:
        """One of `files` with its transparency and colour profile, of which arrays have none; raises SrgridError as
        `read`."""
        found = photographs.read(file) if file.suffix != ".npy" else Photo(images.load_array(file))
        self._check(file, found.samples)
        return found

    def _check(self, file: Path, samples: npt.NDArray[Any]) -> None:
        digest = images.pixel_digest(samples)
        if self.made_by is not None and digest != self.noted[file.name]["sha256"]:
            raise SrgridError(f"{file}: other pixels than when the folder was made; {_AGAIN}")
        self.digests[file.name] = digest


def open_images(
    folder: str | os.PathLike[str], floats: bool = False, passed: dict[str, str] | None = None
) -> ImageFolder:
    """List a folder's images; with `floats`, arrays (.npy) count too. Read them with the result's `read`.

    passed: takes down what is left out (`srgrid.images.list_images`).
    Raises SrgridError if there are none, if two share a stem, if arrays and images are mixed, or if the folder has a
    manifest that is damaged, or that lists other files.
    """
    folder = Path(folder)
    files = _list(folder, floats, passed)
    if not os.path.lexists(folder / MANIFEST):
        return ImageFolder(folder, images.by_stem(files), None, {})
    manifest = read_manifest(folder)
    _same_files(folder, {file.name for file in files}, set(manifest["files"]))
    return ImageFolder(folder, images.by_stem(files), manifest["made_by"], manifest["files"])


def read_image(file: Path) -> npt.NDArray[Any]:
    """One image file; if it lies in a made folder, compared with its manifest. Raises SrgridError as `images.read`."""
    image = images.read(file)
    _check_in_folder(file, image)
    return image


def read_photo(file: Path) -> Photo:
    """`read_image`, keeping transparency and colour profile."""
    photo = photographs.read(file)
    _check_in_folder(file, photo.samples)
    return photo


def _check_in_folder(file: Path, samples: npt.NDArray[Any]) -> None:
    if os.path.lexists(file.parent / MANIFEST):
        entry = read_manifest(file.parent)["files"].get(file.name)
        if entry is not None and entry["sha256"] != images.pixel_digest(samples):
            raise SrgridError(f"{file}: other pixels than when the folder was made; {_AGAIN}")


def origin(made_by: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A manifest's `made_by` with its inputs in short: their number and one digest."""
    if made_by is None:
        return None
    inputs = made_by.get("inputs")
    if not isinstance(inputs, dict) or not all(map(is_sha256, inputs.values())):
        return dict(made_by)
    return {**made_by, "inputs": set_identity(inputs)}


def _list(folder: Path, floats: bool, passed: dict[str, str] | None) -> list[Path]:
    arrays = sorted(p for p in folder.glob("*.npy") if not p.name.startswith(".")) if floats and folder.is_dir() else []
    if not arrays:
        return images.list_images(folder, passed)
    mixed = sorted(file.name for file in folder.iterdir() if taken(file))
    if mixed:
        raise SrgridError(f"{folder}: holds float arrays (.npy) and images ({some(mixed)}); keep one of the two kinds")
    return arrays


def _same_files(folder: Path, found: set[str], noted: set[str]) -> None:
    lost, spare = sorted(noted - found), sorted(found - noted)
    cases = ((lost, "missing"), (spare, "not of its making"))
    troubles = [f"{some(names)} {'is' if len(names) == 1 else 'are'} {what}" for names, what in cases if names]
    if troubles:
        raise SrgridError(f"{folder}: not as it was made: {', '.join(troubles)}; {_AGAIN}")
