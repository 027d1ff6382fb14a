"""Super-resolving image files: one image or a folder, by a model or by the bicubic baseline.

torch is imported only when a network is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from srgrid import images, photographs
from srgrid.code import code_identity
from srgrid.degrade import Degradation, get_degradation
from srgrid.errors import SrgridError
from srgrid.files import keep_apart, staged_dir, write_manifest
from srgrid.images import Array
from srgrid.interpolate import INTERPOLATORS
from srgrid.made import ImageFolder, open_images, origin, read_photo
from srgrid.models.architecture import written
from srgrid.models.find import Located, locate
from srgrid.names import some
from srgrid.photographs import Photo
from srgrid.progress import track
from srgrid.settings import Options as Options  # noqa: PLC0414 (also known under this module's name)

Pixels = npt.NDArray[Any]
Run = Callable[[list[Array], list[str]], list[Pixels]]  # images of one size, and what to call them in messages

BICUBIC = "bicubic"
_GAP = 8  # white pixels between the two halves of a comparison
_GPU_BATCH = 16


def upscale_path(
    source: Path,
    output: Path,
    model: str,
    scale: int,
    *,
    degradation: str | Degradation = "matlab",
    options: Options = Options(),
    compare: Path | None = None,
) -> None:
    """Enlarge an image into an image, or a folder into a folder.

    model: "bicubic", one of `INTERPOLATORS`, or what `srgrid.models.load` takes. degradation: whose enlarger is
    "bicubic", and that of `compare`, a picture of the bicubic enlargement beside the SR image (one image only).
    A colour profile is kept; so is an alpha channel, enlarged apart by MATLAB's bicubic, which is said on stderr.
    Raises SrgridError, naming file or option, and then writes nothing.
    """
    source, output = Path(source), Path(output)
    _check_source(source, compare)
    if source.is_dir():
        upscale_dir(source, output, model, scale, degradation=degradation, options=options)
        return
    _check_name(output, options)
    if compare and compare.suffix.lower() != ".png":
        raise SrgridError(f"{compare}: a comparison is written as .png; choose such a name")
    found = _located(model, scale)
    inputs = (source, *(found.files if found else ()))
    keep_apart(output, *inputs)
    if compare:
        keep_apart(compare, output, *inputs)
    photo = read_photo(source)
    _check_kept(output, photo, source)
    runner = _network(found, scale, options) if found else _computed(model, scale, degradation, options)
    sr = runner.run([photo.colour], [str(source)])[0]
    _say_alpha([source] if photo.alpha is not None else [])
    _write(output, sr, photo, scale, options.quality)
    if compare:
        rounded = sr if sr.dtype == np.uint8 else np.floor(sr + 0.5).astype(np.uint8)
        images.write(compare, side_by_side(get_degradation(degradation).enlarge(photo.colour, scale), rounded))


def upscale_dir(
    in_dir: Path,
    out_dir: Path,
    model: str,
    scale: int,
    *,
    degradation: str | Degradation = "matlab",
    options: Options = Options(),
) -> None:
    """Enlarge every image of a folder, and write a manifest; the new folder appears whole or not at all.

    All images are read before the first is enlarged; the error lists every one that cannot be used. With
    `options.skip_bad` these are left out instead, which is said on stderr and in the manifest.
    """
    passed: dict[str, str] = {}
    folder = open_images(in_dir, _takes_luma(model, degradation), passed if options.skip_bad else None)
    _check_name(Path(out_dir) / f"image{options.suffix}", options)
    seen_through = _check_all(folder, options, passed)
    found = _located(model, scale)
    keep_apart(out_dir, in_dir, *folder.files.values(), *(found.files if found else ()))
    runner = _network(found, scale, options) if found else _computed(model, scale, degradation, options)
    name = found.shown if found else model
    made_by = {"step": "upscale", "model": name, "scale": scale, "kind": options.kind, **runner.made_by}
    made_by |= {"left_out": passed} if passed else {}
    made_by |= {"alpha": "bicubic"} if seen_through else {}
    made_by |= {} if options.quality is None else {"quality": options.quality}
    entries = {}
    _say_alpha(seen_through)
    with staged_dir(out_dir) as staged:
        names = iter(track(list(folder.files), f"SR x{scale} {Path(model).stem} {in_dir}"))
        for stems, batch in _batches(folder, options.batch or runner.batch):
            called = [str(folder.files[s]) for s in stems]
            for stem, photo, sr in zip(stems, batch, runner.run([p.colour for p in batch], called), strict=True):
                file = staged / f"{stem}{options.suffix}"
                entries[file.name] = images.describe(_write(file, sr, photo, scale, options.quality))
                next(names)
        next(names, None)
        made_by |= {"tiles": runner.cut} if runner.cut else {}
        made_by |= {"code": code_identity("srgrid.upscale"), "inputs": folder.digests, "lr": origin(folder.made_by)}
        write_manifest(staged, made_by, entries)


def _takes_luma(model: str, degradation: str | Degradation) -> bool:
    """Whether LR images are arrays of luma that was never rounded."""
    return model == BICUBIC and get_degradation(degradation).is_luma


def _check_source(source: Path, compare: Path | None) -> None:
    """Raise SrgridError for an input that cannot be used, before the output, whose form follows from it."""
    if not source.exists():
        raise SrgridError(f"{source}: there is no such image file or folder")
    if compare and source.is_dir():
        raise SrgridError(f"{source}: a comparison is made of one image, not of a folder")


def _check_name(output: Path, options: Options) -> None:
    """Raise SrgridError unless what is asked for can be written under this name."""
    if options.kind == "8bit":
        photographs.format_of(output, options.quality)
    elif output.suffix.lower() != options.suffix:
        raise SrgridError(f"{output}: {options.kind} output is written as {options.suffix}; choose such a name")


def _check_kept(output: Path, photo: Photo, source: Path) -> None:
    """Raise SrgridError if a file of this name would lose the photo's transparency."""
    if photo.alpha is not None and output.suffix == ".npy":
        raise SrgridError(f"{source}: has transparent pixels, which float output cannot hold; flatten it first")
    if output.suffix != ".npy":
        photographs.check_alpha(output, photo, source)


def _check_all(folder: ImageFolder, options: Options, passed: dict[str, str]) -> list[Path]:
    """Read all images; returns those with transparency. Raises one SrgridError that lists the bad ones, or, where they
    are to be left out, moves them from the folder's files to `passed`."""
    bad, transparent = {}, []
    for name, file in list(folder.files.items()):
        try:
            photo = folder.photo(file)
            _check_kept(file.with_suffix(options.suffix), photo, file)
        except SrgridError as error:
            bad[file.name] = str(error)
            del folder.files[name]
            folder.digests.pop(file.name, None)
            continue
        transparent += [file] if photo.alpha is not None else []
    if bad and not options.skip_bad:
        images.refuse(list(bad.values()))
    passed |= bad
    if passed and not folder.files:
        raise SrgridError(f"{folder.path}: none of its {len(passed)} images can be used; {'; '.join(passed.values())}")
    for name, why in passed.items():
        print(f"srgrid: left out: {why if name in bad else f'{folder.path / name} ({why})'}", file=sys.stderr)
    return transparent


def _say_alpha(files: list[Path]) -> None:
    if files:
        named = some([str(file) for file in files])
        print(f"srgrid: {named}: transparency is enlarged apart, by bicubic, not by the model", file=sys.stderr)


def side_by_side(bicubic: Array, sr: Array) -> Array:
    """The bicubic enlargement (left) and the SR image (right), a white gap between them."""
    gap = np.full((sr.shape[0], _GAP, *sr.shape[2:]), 255, np.uint8)
    return np.concatenate([bicubic, gap, sr], axis=1)


@dataclass(frozen=True)
class _Runner:
    """What enlarges images: a function from those of one size to SR images as they are stored, and what it is."""

    run: Run
    made_by: dict[str, Any]
    batch: int = 1  # images at once
    cut: dict[str, dict[str, int]] = field(default_factory=dict)  # see srgrid.models.patchwork.Patchwork


def _located(model: str, scale: int) -> Located | None:
    """Where a network is; None for what is computed without one."""
    return None if model == BICUBIC or model in INTERPOLATORS else locate(model, scale)


def _computed(model: str, scale: int, degradation: str | Degradation, options: Options) -> _Runner:
    kernel = get_degradation(degradation)
    stored = np.uint8 if options.kind == "8bit" else np.float32
    made_by = {"computed": INTERPOLATORS[model].about} if model in INTERPOLATORS else {"degradation": kernel.name}
    enlarge = INTERPOLATORS[model].enlarge if model in INTERPOLATORS else kernel.enlarge
    return _Runner(lambda batch, _: [enlarge(image, scale).astype(stored) for image in batch], made_by)


def _network(found: Located, scale: int, options: Options) -> _Runner:
    import torch

    from srgrid.models.devices import choose
    from srgrid.models.loading import load
    from srgrid.models.patchwork import Patchwork
    from srgrid.models.run import computed_in, to_uint8, upscale_float

    if options.threads:
        torch.set_num_threads(options.threads)
    network = load(found, scale, options.rgb_range).to(choose(options.device))
    precision = computed_in(network, network.device, options.precision)
    made_by = {
        "architecture": network.architecture,
        "config": written(network.config),
        "weights": network.file,
        "weights_sha256": network.sha256,
        "precision": precision,
        "ensemble": options.ensemble,
        "device": network.device.type,
    }

    cuts = Patchwork()

    def run(batch: list[Array], names: list[str]) -> list[Pixels]:
        values = upscale_float(network, batch, options.tile, options.ensemble, precision, names, cuts)
        return [to_uint8(v) for v in values] if options.kind == "8bit" else list(values)

    return _Runner(run, made_by, _GPU_BATCH if network.device.type == "cuda" else 1, cuts.cut)


def _batches(folder: ImageFolder, size: int) -> Iterator[tuple[list[str], list[Photo]]]:
    """Images with their stems, up to `size` of equal shape together; neighbours in the list, so few are held."""
    stems: list[str] = []
    batch: list[Photo] = []
    for stem, file in folder.files.items():
        photo = folder.photo(file)
        if batch and (len(batch) == size or batch[0].colour.shape[:2] != photo.colour.shape[:2]):
            yield stems, batch
            stems, batch = [], []
        stems.append(stem)
        batch.append(photo)
    if batch:
        yield stems, batch


def _write(path: Path, sr: Pixels, source: Photo, scale: int, quality: int | None) -> Pixels:
    """Write an SR image with its source's transparency and colour profile; returns the samples that the file holds."""
    if path.suffix.lower() != ".npy":
        photo = source.enlarged(sr, scale)
        photographs.write(path, photo, quality)
        return photographs.stored(path, photo, quality)
    images.store(path, sr)
    return sr
