"""Running a network on one image or a batch: precision, self-ensemble, size multiples, memory.

An image that does not fit into memory at once is worked on by the network's own exact tiler, if it has one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from srgrid.errors import SrgridError
from srgrid.images import check, from_pil
from srgrid.models.devices import free_memory, has_native_bf16
from srgrid.settings import Precision

if TYPE_CHECKING:
    from srgrid.models.network import Network

Float = npt.NDArray[np.float32]

SMALLEST_TILE = 32


class NotFiniteError(SrgridError):
    """A network answered with NaN or infinities: its weights, or the precision, do not suit the image."""


def upscale_any(network: Network, image: Any, **options: Any) -> Any:
    """`upscale_array` for a PIL image or a uint8 array, returning the same kind.

    A PIL image is taken as a file is: turned upright, and refused if it would lose something (srgrid.images.from_pil).
    """
    from PIL import Image

    if not isinstance(image, Image.Image):
        return upscale_array(network, image, **options)
    return Image.fromarray(upscale_array(network, from_pil(image), **options))


def upscale_array(
    network: Network,
    image: npt.NDArray[np.uint8],
    tile: int | None = None,
    ensemble: bool = False,
    precision: Precision = "auto",
) -> npt.NDArray[np.uint8]:
    """Enlarge a uint8 image, H x W or H x W x 3, to `scale` times its size, rounded to 8 bits (half up).

    A grey image is given to the network as three equal channels, and the mean of its three answers is returned.
    tile: side of the tiles in LR pixels; None means the whole image at once, or the largest tiles that fit in memory.
    ensemble: average over the 8 flips and quarter turns of the image (8 times the work).
    precision: "bf16", "fp32", or "auto": bf16 where the processor computes it natively and the model allows it.
    Raises SrgridError for a wrong image, or if memory does not suffice even for the smallest tiles.
    """
    return to_uint8(upscale_float(network, [image], tile, ensemble, precision)[0])


def upscale_float(
    network: Network,
    images: list[npt.NDArray[np.uint8]],
    tile: int | None = None,
    ensemble: bool = False,
    precision: Precision = "auto",
    names: Sequence[str] = (),
) -> list[Float]:
    """As `upscale_array` for images of one size, as one batch; returns float32 in 0..255, clamped but not rounded.

    names: what to call the images in messages. Raises NotFiniteError if the network's answer to one is not finite.
    """
    for image in images:
        check(image)
        if image.ndim == 3 and image.shape[2] != 3:
            raise SrgridError(f"image: expected 1 or 3 channels, got {image.shape[2]}")
    _check_tile(network, tile)
    colour = [image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2) for image in images]
    device = network.device
    batch = torch.from_numpy(np.stack(colour)).to(device).permute(0, 3, 1, 2).float().div_(255)
    with torch.inference_mode(), autocast(network, device, precision):
        out = _ensemble(network, batch, tile) if ensemble else _run(network, batch, tile)
        if not bool(torch.isfinite(out).all()):
            bf16 = uses_bf16(network, device, precision)
            raise NotFiniteError(_where(out, names, network.scale, "bf16" if bf16 else "fp32"))
        values = out.float().mul(255).clamp_(0, 255).permute(0, 2, 3, 1).cpu().numpy()
    return [sr if im.ndim == 3 else sr.mean(axis=2) for sr, im in zip(values, images, strict=True)]


def _where(out: Tensor, names: Sequence[str], scale: int, precision: str) -> str:
    bad = ~torch.isfinite(out)
    index = int(bad.flatten(1).any(dim=1).nonzero()[0])
    name = names[index] if names else f"image {index + 1} of {len(out)}"
    places = bad[index].any(dim=0)
    row, column = (int(n) // scale for n in places.nonzero()[0])
    share = float(places.double().mean())
    advice = "try --precision fp32" if precision == "bf16" else "the weights do not suit it, or are damaged"
    return (
        f"{name}: the network's answer in {precision} is not finite (NaN or infinite) at {share:.1%} of its pixels,"
        f" the first at LR row {row}, column {column}; {advice}"
    )


def to_uint8(values: Float) -> npt.NDArray[np.uint8]:
    """Round float 0..255 to 8 bits, half up."""
    rounded: npt.NDArray[np.uint8] = np.floor(np.clip(values, 0, 255) + 0.5).astype(np.uint8)
    return rounded


def autocast(network: Network, device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[Any]:
    """The autocast context for a precision. Raises SrgridError for bf16 on a model that it would ruin."""
    use = uses_bf16(network, device, precision)
    return torch.autocast(device_type=device.type, dtype=torch.bfloat16, enabled=use)


def uses_bf16(network: Network, device: torch.device, precision: Precision) -> bool:
    """Whether a precision means bf16 for this network on this device. Raises SrgridError if it would ruin it."""
    if precision not in get_args(Precision):
        raise SrgridError(f"precision {precision!r}: choose {', '.join(get_args(Precision))}")
    if precision != "auto" and precision not in network.precisions:
        raise SrgridError(
            f"precision {precision}: {network.name or network.architecture} loses its accuracy in it;"
            f" use {' or '.join(network.precisions)}"
        )
    allowed = "bf16" in network.precisions
    return precision == "bf16" or (precision == "auto" and allowed and has_native_bf16(device))


def _ensemble(network: Network, x: Tensor, tile: int | None) -> Tensor:
    total: Tensor | None = None
    for turns in range(4):
        for flip in (False, True):
            turned = torch.rot90(x.flip(3) if flip else x, turns, (2, 3))
            out = torch.rot90(_run(network, turned, tile), -turns, (2, 3))
            out = out.flip(3) if flip else out
            total = out if total is None else total + out
    assert total is not None
    return total / 8


def _run(network: Network, x: Tensor, tile: int | None) -> Tensor:
    """The whole image if it fits (or tiles of the size asked for); smaller tiles each time memory runs out."""
    height, width = x.shape[2:]
    x = _padded(x, network.multiple_of).contiguous(memory_format=torch.channels_last)
    side = tile if tile is not None else largest_tile(network, x)
    while True:
        try:
            out = network.module(x) if side >= max(x.shape[2:]) else _tiled(network, x, side)
            return out[:, :, : height * network.scale, : width * network.scale]
        except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            failed, side = side, max(SMALLEST_TILE, min(side, max(x.shape[2:])) // 2)
        if x.is_cuda:
            torch.cuda.empty_cache()
        if network.tiler is None:
            raise _too_large(x, f"and {network.architecture} cannot be run in tiles without changing the image")
        if failed <= SMALLEST_TILE:
            raise _too_large(x, f"even in tiles of {failed}")


def _padded(x: Tensor, multiple: int) -> Tensor:
    """N x C x H x W with the last row and column repeated up to a multiple of `multiple` pixels."""
    below, right = (-n % multiple for n in x.shape[2:])
    return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x


def _tiled(network: Network, x: Tensor, side: int) -> Tensor:
    assert network.tiler is not None
    return network.tiler.run(network.module, x, side)


def _check_tile(network: Network, tile: int | None) -> None:
    if tile is None:
        return
    if tile < SMALLEST_TILE:
        raise SrgridError(f"tile {tile}: the smallest tile is {SMALLEST_TILE} LR pixels")
    if network.tiler is None:
        raise SrgridError(f"tile {tile}: {network.architecture} has no tiles that leave the image as it is; give none")


def _too_large(x: Tensor, why: str) -> SrgridError:
    height, width = x.shape[2:]
    return SrgridError(f"image of {width} x {height} pixels: not enough memory, {why}")


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)


def largest_tile(network: Network, x: Tensor) -> int:
    """The side in LR pixels of the largest tile that free memory holds; at least the image's side if all of it does."""
    number, _, height, width = x.shape
    if network.tiler is None:
        return int(max(height, width))
    free = free_memory(x.device)
    pixel = number * network.tiler.bytes_per_pixel(network.module)
    if pixel * height * width < 0.6 * free:
        return int(max(height, width))
    return max(SMALLEST_TILE, int((0.3 * free / pixel) ** 0.5) // 32 * 32)
