"""Super-resolving image files: one image or a folder, by a model or by the bicubic baseline.

torch is imported only when a network is asked for.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from srgrid import images
from srgrid.code import code_identity
from srgrid.degrade import Degradation, get_degradation
from srgrid.errors import SrgridError
from srgrid.files import keep_apart, staged_dir, staged_file, write_manifest
from srgrid.images import Array
from srgrid.interpolate import INTERPOLATORS
from srgrid.made import ImageFolder, open_images, origin, read_image
from srgrid.models.architecture import written
from srgrid.models.find import Located, locate
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
    Raises SrgridError, naming file or option, and then writes nothing.
    """
    source, output = Path(source), Path(output)
    if source.is_dir():
        if compare:
            raise SrgridError(f"{source}: a comparison is made of one image, not of a folder")
        upscale_dir(source, output, model, scale, degradation=degradation, options=options)
        return
    if output.suffix.lower() != options.suffix:
        raise SrgridError(f"{output}: {options.kind} output is written as {options.suffix}; choose such a name")
    if compare and compare.suffix.lower() != ".png":
        raise SrgridError(f"{compare}: a comparison is written as .png; choose such a name")
    found = _located(model, scale)
    inputs = (source, *(found.files if found else ()))
    keep_apart(output, *inputs)
    if compare:
        keep_apart(compare, output, *inputs)
    image = read_image(source)
    runner = _network(found, scale, options) if found else _computed(model, scale, degradation, options)
    sr = runner.run([image], [str(source)])[0]
    _write(output, sr)
    if compare:
        bicubic = get_degradation(degradation).enlarge(image, scale)
        images.write(
            compare, side_by_side(bicubic, np.floor(sr + 0.5).astype(np.uint8) if sr.dtype != np.uint8 else sr)
        )


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

    All images are read before the first is enlarged; the error lists every one that cannot be used.
    """
    folder = open_images(in_dir)
    images.check_all(folder.files.values())
    found = _located(model, scale)
    keep_apart(out_dir, in_dir, *folder.files.values(), *(found.files if found else ()))
    runner = _network(found, scale, options) if found else _computed(model, scale, degradation, options)
    name = found.shown if found else model
    made_by = {"step": "upscale", "model": name, "scale": scale, "kind": options.kind, **runner.made_by}
    entries = {}
    with staged_dir(out_dir) as staged:
        names = iter(track(list(folder.files), f"SR x{scale} {Path(model).stem} {in_dir}"))
        for stems, batch in _batches(folder, options.batch or runner.batch):
            for stem, sr in zip(stems, runner.run(batch, [str(folder.files[s]) for s in stems]), strict=True):
                _write(staged / f"{stem}{options.suffix}", sr)
                entries[f"{stem}{options.suffix}"] = images.describe(sr)
                next(names)
        next(names, None)
        made_by |= {"tiles": runner.cut} if runner.cut else {}
        made_by |= {"code": code_identity("srgrid.upscale"), "inputs": folder.digests, "lr": origin(folder.made_by)}
        write_manifest(staged, made_by, entries)


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


def _batches(folder: ImageFolder, size: int) -> Iterator[tuple[list[str], list[Array]]]:
    """Images with their stems, up to `size` of equal shape together; neighbours in the list, so few are held."""
    stems: list[str] = []
    batch: list[Array] = []
    for stem, file in folder.files.items():
        image = folder.read(file)
        if batch and (len(batch) == size or batch[0].shape[:2] != image.shape[:2]):
            yield stems, batch
            stems, batch = [], []
        stems.append(stem)
        batch.append(image)
    if batch:
        yield stems, batch


def _write(path: Path, sr: Pixels) -> None:
    if path.suffix.lower() == ".png":
        images.write(path, sr)
        return
    content = io.BytesIO()  # np.save to a file itself does not say why it failed
    np.save(content, sr.astype(np.float32), allow_pickle=False)
    with staged_file(path) as staged:
        staged.write_bytes(content.getbuffer())
