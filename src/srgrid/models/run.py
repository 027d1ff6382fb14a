"""Running a network on one image or a batch: precision, self-ensemble, padding, memory.

An image that does not fit into memory at once is worked on in tiles: exact ones where the network's architecture has a
tiler, else by cutting the image up (`patchwork.py`), which is told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srgrid import heap
from srgrid.errors import SrgridError
from srgrid.images import check
from srgrid.models.architecture import Computed, Tiler
from srgrid.models.devices import float32, free_memory, has_native_bf16, out_of_memory
from srgrid.models.patchwork import SMALLEST_TILE, Patchwork
from srgrid.photographs import from_pil
from srgrid.settings import Precision

Float = npt.NDArray[np.float32]


class Runs(Protocol):
    """What running asks of a network; `srgrid.models.network.Network` has it."""

    @property
    def module(self) -> nn.Module: ...
    @property
    def architecture(self) -> str: ...
    @property
    def config(self) -> Any: ...
    @property
    def scale(self) -> int: ...
    @property
    def precisions(self) -> tuple[Computed, ...]: ...
    @property
    def multiple_of(self) -> int: ...
    @property
    def fixed(self) -> tuple[int, int] | None: ...
    @property
    def tiler(self) -> Tiler | None: ...


class NotFiniteError(SrgridError):
    """A network answered with NaN or infinities: its weights, or the precision, do not suit the image."""


def upscale_any(network: Runs, image: Any, **options: Any) -> Any:
    """`upscale_array` for a PIL image or a uint8 array, returning the same kind.

    A PIL image is taken as a file is: turned upright, its colour profile kept, its alpha channel enlarged apart by
    MATLAB's bicubic, and refused if it would lose something (srgrid.photographs.from_pil).
    """
    from PIL import Image

    if not isinstance(image, Image.Image):
        return upscale_array(network, image, **options)
    photo = from_pil(image)
    return photo.enlarged(upscale_array(network, photo.colour, **options), network.scale).to_pil()


def upscale_array(
    network: Runs,
    image: npt.NDArray[np.uint8],
    tile: int | None = None,
    ensemble: bool = False,
    precision: Precision = "auto",
) -> npt.NDArray[np.uint8]:
    """Enlarge a uint8 image, H x W or H x W x 3, to `scale` times its size, rounded to 8 bits (half up).

    A grey image is given to the network as three equal channels, and the mean of its three answers is returned.
    tile: side of the tiles in LR pixels; None means the whole image at once, or the largest tiles that fit in memory.
    Those of a network whose architecture has no tiler are not exact.
    ensemble: average over the 8 flips and quarter turns of the image (8 times the work).
    precision: "bf16", "fp32", or "auto": bf16 where the processor computes it natively and the network allows it.
    Raises SrgridError for a wrong image, or if memory does not suffice even for the smallest tiles.
    """
    return to_uint8(upscale_float(network, [image], tile, ensemble, precision)[0])


def upscale_float(
    network: Runs,
    images: list[npt.NDArray[np.uint8]],
    tile: int | None = None,
    ensemble: bool = False,
    precision: Precision = "auto",
    names: Sequence[str] = (),
    patchwork: Patchwork | None = None,
) -> list[Float]:
    """As `upscale_array` for images of one size, as one batch; returns float32 in 0..255, clamped but not rounded.

    names: what to call the images in messages. patchwork: takes down the images that were cut up, by name. Raises
    NotFiniteError if the network's answer to one is not finite.
    """
    for image in images:
        check(image)
        if image.ndim == 3 and image.shape[2] != 3:
            raise SrgridError(f"image: expected 1 or 3 channels, got {image.shape[2]}; give alpha as a PIL image")
    if tile is not None and tile < SMALLEST_TILE:
        raise SrgridError(f"tile {tile}: the smallest tile is {SMALLEST_TILE} LR pixels")
    colour = [image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2) for image in images]
    device = device_of(network.module)
    batch = torch.from_numpy(np.stack(colour)).to(device).permute(0, 3, 1, 2).float().div_(255)
    cuts, used = Patchwork(tile), computed_in(network, device, precision)
    with torch.inference_mode(), computing(device, used):
        out = _ensemble(network, batch, cuts) if ensemble else answer(network, batch, cuts)
        require_finite(out, names, network.scale, used)
        if patchwork is not None:
            patchwork.take_down(names, cuts)
        values = out.float().mul(255).clamp_(0, 255).permute(0, 2, 3, 1).cpu().numpy()
    return [sr if im.ndim == 3 else sr.mean(axis=2) for sr, im in zip(values, images, strict=True)]


def require_finite(out: Tensor, names: Sequence[str], scale: int, precision: Computed) -> None:
    """Raise NotFiniteError, saying of which image and where, if an answer, N x 3 x H x W, holds NaN or infinities."""
    bad = ~torch.isfinite(out)
    if not bool(bad.any()):
        return
    index = int(bad.flatten(1).any(dim=1).nonzero()[0])
    name = names[index] if names else f"image {index + 1} of {len(out)}"
    places = bad[index].any(dim=0)
    row, column = (int(n) // scale for n in places.nonzero()[0])
    share = float(places.double().mean())
    advice = "try --precision fp32" if precision == "bf16" else "the weights do not suit it, or are damaged"
    raise NotFiniteError(
        f"{name}: the network's answer in {precision} is not finite (NaN or infinite) at {share:.1%} of its pixels,"
        f" the first at LR row {row}, column {column}; {advice}"
    )


def to_uint8(values: Float) -> npt.NDArray[np.uint8]:
    """Round float 0..255 to 8 bits, half up."""
    rounded: npt.NDArray[np.uint8] = np.floor(np.clip(values, 0, 255) + 0.5).astype(np.uint8)
    return rounded


@contextlib.contextmanager
def computing(device: torch.device, precision: Computed) -> Iterator[None]:
    """Within it, modules compute in that precision, and fp32 is no TF32."""
    bf16 = torch.autocast(device_type=device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
    with float32(device), bf16:
        yield


def computed_in(network: Runs, device: torch.device, precision: Precision) -> Computed:
    """What a precision means for this network on this device; auto is bf16 where both allow it.

    Raises SrgridError for a precision that would ruin the network's answers.
    """
    if precision not in get_args(Precision):
        raise SrgridError(f"precision {precision!r}: choose one of {', '.join(get_args(Precision))}")
    if precision == "auto":
        return "bf16" if "bf16" in network.precisions and has_native_bf16(device) else "fp32"
    if precision not in network.precisions:
        allowed = " or ".join(network.precisions)
        raise SrgridError(f"precision {precision}: would ruin the answers of this network; use {allowed}")
    return precision


def device_of(module: nn.Module) -> torch.device:
    """Where a module's weights are; the CPU if it has none."""
    weight = next(module.parameters(), None)
    return torch.device("cpu") if weight is None else weight.device


def _ensemble(network: Runs, x: Tensor, cuts: Patchwork) -> Tensor:
    total: Tensor | None = None
    for turns in range(4):
        for flip in (False, True):
            turned = torch.rot90(x.flip(3) if flip else x, turns, (2, 3))
            out = torch.rot90(answer(network, turned, cuts), -turns, (2, 3))
            out = out.flip(3) if flip else out
            total = out if total is None else total + out
    assert total is not None
    return total / 8


def answer(network: Runs, x: Tensor, cuts: Patchwork) -> Tensor:
    """The network's answer to N x 3 x H x W: padded to the size that it wants, and cut back."""
    height, width = x.shape[2:]
    x = padded(x, network, cuts).contiguous(memory_format=torch.channels_last)
    out = _cut_up(network, x, cuts) if network.tiler is None else _tiled(network, network.tiler, x, cuts.asked)
    return out[:, :, : height * network.scale, : width * network.scale]


def padded(x: Tensor, network: Runs, cuts: Patchwork) -> Tensor:
    """The image mirrored at its lower and right edge until its sides fit; repeated where it is too small for that.

    Raises SrgridError for an image that is not of the network's only size, where no tiles are asked for.
    """
    height, width = x.shape[2:]
    if network.fixed and cuts.asked is None and (height, width) != network.fixed:
        sides = f"{network.fixed[1]} x {network.fixed[0]}"
        raise SrgridError(
            f"image of {width} x {height} pixels: this network takes {sides} alone; export it with free height and"
            f" width, or ask for tiles (--tile {max(network.fixed)}), which change its answer"
        )
    least = network.fixed or (0, 0)
    below, right = (max(-n % network.multiple_of, side - n) for n, side in zip((height, width), least, strict=True))
    if not (below or right):
        return x
    return F.pad(x, (0, right, 0, below), "reflect" if below < height and right < width else "replicate")


def _cut_up(network: Runs, x: Tensor, cuts: Patchwork) -> Tensor:
    """The whole image (or tiles of the size asked for); smaller tiles each time memory runs out."""
    while True:
        try:
            return cuts.run(network.module, x, network)
        except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        _give_back(x.device)
        if len(x) > 1:
            return torch.cat([_cut_up(network, half, cuts) for half in x.chunk(2)])
        if not cuts.shrink(x, network):
            tried = f"even in tiles of {cuts.allowed}" if cuts.allowed else "and it is too small for tiles"
            raise _too_large(x, tried)


def _tiled(network: Runs, tiler: Tiler, x: Tensor, tile: int | None) -> Tensor:
    """The whole images if they fit (or tiles of the size asked for); each time memory runs out half as many at once,
    then smaller tiles."""
    side = tile if tile is not None else largest_tile(tiler, network.config, x)
    if tile is None and len(x) > 1 and side < max(x.shape[2:]):
        return torch.cat([_tiled(network, tiler, half, tile) for half in x.chunk(2)])
    while True:
        try:
            out: Tensor = network.module(x) if side >= max(x.shape[2:]) else tiler.run(network.module, x, side)
            return out
        except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            failed, side = side, max(SMALLEST_TILE, min(side, max(x.shape[2:])) // 2)
        _give_back(x.device)
        if len(x) > 1:
            return torch.cat([_tiled(network, tiler, half, tile) for half in x.chunk(2)])
        if failed <= SMALLEST_TILE:
            raise _too_large(x, f"even in tiles of {failed}")


def _give_back(device: torch.device) -> None:
    """Give memory that is kept for reuse back to the device: what is left may be in pieces too small."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    else:
        heap.give_back_freed()


def _too_large(x: Tensor, why: str) -> SrgridError:
    height, width = x.shape[2:]
    return SrgridError(f"image of {width} x {height} pixels: not enough memory, {why}")


def largest_tile(tiler: Tiler, config: Any, x: Tensor) -> int:
    """The side in LR pixels of the largest tile that free memory holds; at least the image's side if all of it does."""
    number, _, height, width = x.shape
    pixel = number * tiler.bytes_per_pixel(config)
    whole, free = pixel * height * width, free_memory(x.device)
    if whole >= 0.6 * free:
        _give_back(x.device)  # what an earlier image took is kept, and can be had
        free = free_memory(x.device)
    if whole < 0.6 * free:
        return int(max(height, width))
    return max(SMALLEST_TILE, int((0.3 * free / pixel) ** 0.5) // 32 * 32)
