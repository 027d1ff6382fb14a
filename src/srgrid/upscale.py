"""Super-resolving image files: one image or a folder, by a model or by the bicubic baseline.

torch is imported only when a network is asked for.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from srgrid import images
from srgrid.code import code_identity
from srgrid.degrade import Degradation, get_degradation
from srgrid.errors import SrgridError
from srgrid.files import keep_apart, staged_dir, staged_file, write_manifest
from srgrid.images import Array
from srgrid.made import ImageFolder, open_images, origin, read_image
from srgrid.progress import track
from srgrid.settings import Options as Options  # noqa: PLC0414 (also known under this module's name)
from srgrid.settings import Precision

if TYPE_CHECKING:
    from srgrid.models import Rcan

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

    model: "bicubic", or what `srgrid.models.load` takes. degradation: whose enlarger is "bicubic", and
    that of `compare`, a picture of the bicubic enlargement beside the SR image (one image only).
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
    keep_apart(output, source, *_model_files(model))
    if compare:
        keep_apart(compare, source, output, *_model_files(model))
    image = read_image(source)
    run, _ = _runner(model, scale, degradation, options)
    sr = run([image], [str(source)])[0]
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
    keep_apart(out_dir, in_dir, *folder.files.values(), *_model_files(model))
    images.check_all(folder.files.values())
    run, made_by = _runner(model, scale, degradation, options)
    entries = {}
    with staged_dir(out_dir) as staged:
        names = iter(track(list(folder.files), f"SR x{scale} {Path(model).stem} {in_dir}"))
        for stems, batch in _batches(folder, _batch_size(options)):
            for stem, sr in zip(stems, run(batch, [str(folder.files[s]) for s in stems]), strict=True):
                _write(staged / f"{stem}{options.suffix}", sr)
                entries[f"{stem}{options.suffix}"] = images.describe(sr)
                next(names)
        next(names, None)
        write_manifest(staged, made_by | {"inputs": folder.digests, "lr": origin(folder.made_by)}, entries)


def upscale_array(
    model: Rcan, image: Array, tile: int | None = None, ensemble: bool = False, precision: Precision = "auto"
) -> Array:
    """See `srgrid.models.inference.upscale_array`. Tiles need no overlap to choose: each layer takes what it sees."""
    from srgrid.models import inference

    return inference.upscale_array(model, image, tile, ensemble, precision)


def side_by_side(bicubic: Array, sr: Array) -> Array:
    """The bicubic enlargement (left) and the SR image (right), a white gap between them."""
    gap = np.full((sr.shape[0], _GAP, *sr.shape[2:]), 255, np.uint8)
    return np.concatenate([bicubic, gap, sr], axis=1)


def _runner(model: str, scale: int, degradation: str | Degradation, options: Options) -> tuple[Run, dict[str, Any]]:
    """A function from images of one size to SR images as they are stored, and what the manifest says of it."""
    made_by: dict[str, Any] = {"step": "upscale", "model": Path(model).name, "scale": scale, "kind": options.kind}
    made_by["code"] = code_identity("srgrid.upscale")
    if model == BICUBIC:
        kernel = get_degradation(degradation)
        stored = np.uint8 if options.kind == "8bit" else np.float32
        return lambda batch, _: [kernel.enlarge(im, scale).astype(stored) for im in batch], made_by | {
            "degradation": kernel.name
        }
    return _network(model, scale, options, made_by)


def _network(model: str, scale: int, options: Options, made_by: dict[str, Any]) -> tuple[Run, dict[str, Any]]:
    import torch

    from srgrid import models
    from srgrid.models import inference

    if options.threads:
        torch.set_num_threads(options.threads)
    network = models.load(model, scale, options.rgb_range).to(_device(options.device))
    device = next(network.parameters()).device
    bf16 = inference.uses_bf16(network, device, options.precision)
    made_by |= {
        "weights": network.file,
        "weights_sha256": network.sha256,
        "rgb_range": network.config.rgb_range,
        "precision": "bf16" if bf16 else "fp32",
        "ensemble": options.ensemble,
        "device": device.type,
    }

    def run(batch: list[Array], names: list[str]) -> list[Pixels]:
        precision: Precision = "bf16" if bf16 else "fp32"
        values = inference.upscale_float(network, batch, options.tile, options.ensemble, precision, names)
        return [inference.to_uint8(v) for v in values] if options.kind == "8bit" else list(values)

    return run, made_by


def _model_files(model: str) -> list[Path]:
    """Files that a model given by path is read from."""
    path = Path(model)
    return [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path] if path.is_file() else []


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise SrgridError(f"device {name!r}: torch sees no GPU here; give cpu, or install torch with CUDA")
    try:
        torch.device(name)
    except RuntimeError:
        raise SrgridError(f"device {name!r}: unknown; give auto, cpu, cuda or cuda:N") from None
    return name


def _batch_size(options: Options) -> int:
    if options.batch:
        return options.batch
    if options.device == "cpu":
        return 1
    import sys

    torch = sys.modules.get("torch")  # imported by now if a network runs; bicubic needs no batches
    return _GPU_BATCH if torch is not None and torch.cuda.is_available() else 1


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
