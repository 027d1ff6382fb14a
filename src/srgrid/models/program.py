"""Files that hold a network whole, ONNX and TorchScript: what its shape does not say is found by trying it out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from srgrid.errors import SrgridError
from srgrid.models.container import Content
from srgrid.models.devices import bounded_memory, out_of_memory
from srgrid.models.guest import Guest, reason, sides
from srgrid.models.network import Network

_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
_LEAST = 16  # pixels on each side of the image that a network is tried on


@dataclass(frozen=True)
class ProgramConfig:
    """What is known of a network that came as a program."""

    scale: int  # by its answer, as are channels and multiple_of
    channels: int
    multiple_of: int
    rgb_range: float
    rgb_range_from: str  # "given", "assumed" or "the file"
    read_by: str  # the package that runs it, and its version
    fixed: tuple[int, int] | None = None  # height and width


class Program(nn.Module):
    """A whole network, run on one image at a time: programs may have the size of their batch built in.

    channels: that its input may have. fixed: the only height and width that it takes. rgb_range: of its values, where
    the file tells it.
    """

    channels: Sequence[int] = (3, 1)
    fixed: tuple[int, int] | None = None
    rgb_range: float | None = None

    def one(self, x: Tensor) -> Any:
        """The answer to one image, 1 x C x H x W in the network's own range."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Any:
        """The answers to N x C x H x W."""
        if len(x) == 1:
            return self.one(x)
        return torch.cat([self.one(image) for image in torch.split(x, 1)])


def network_of(program: Program, content: Content, kind: str, read_by: str, rgb_range: float | None) -> Network:
    """A program as a network in fp32 on the CPU. kind: ONNX or TorchScript.

    Raises SrgridError if it enlarges no image, or if `rgb_range` is given and the file tells the range.
    """
    where = str(content.path)
    if rgb_range not in (None, 1, 255):
        raise SrgridError(f"rgb_range {rgb_range}: choose 1 (inputs in 0..1) or 255 (inputs in 0..255)")
    if rgb_range and program.rgb_range:
        raise SrgridError(f"{where}: says itself that its inputs are in 0..{program.rgb_range:g}; leave rgb_range out")
    used, source = program.rgb_range or rgb_range or 1.0, "the file" if program.rgb_range else "given"
    if not (program.rgb_range or rgb_range):
        source = "assumed"
        print(
            f"srgrid: {where}: inputs taken to be 0..1: assumed; give rgb_range (--rgb-range 255) if that is wrong",
            file=sys.stderr,
            flush=True,
        )
    scale, channels, multiple = _tried(program.eval(), where, used)
    config = ProgramConfig(scale, channels, multiple, float(used), source, read_by, program.fixed)
    return Network(
        Guest(program, where, scale, config.rgb_range, channels),
        architecture=kind,
        name="",
        scale=scale,
        config=config,
        file=content.path.name,
        sha256=content.sha256,
        provenance={"source": content.path.name, "trained_by": "another project", "read_by": read_by},
        precisions=("fp32",),
        multiple_of=multiple,
        fixed=program.fixed,
        about=f"A network of another program, kept whole in {'an ONNX' if kind == 'ONNX' else f'a {kind}'} file.",
    )


def _tried(program: Program, where: str, rgb_range: float) -> tuple[int, int, int]:
    """Scale, channels and size multiple of the first image that it enlarges."""
    fault = ""
    for channels in program.channels:
        for multiple in (1,) if program.fixed else _MULTIPLES:
            odd = -(-_LEAST // multiple) | 1  # a multiple of this one alone
            height, width = program.fixed or (odd * multiple, (odd + 2) * multiple)
            x = torch.full((1, channels, height, width), 0.5 * rgb_range)
            scale, said = _answer(program, where, x)
            if scale:
                return scale, channels, multiple
            fault = fault or said
    raise SrgridError(f"{where}: its network {fault}")


def _answer(program: Program, where: str, x: Tensor) -> tuple[int, str]:
    """How many times larger a program makes an image; 0, and what it did, if it does anything else."""
    try:
        with torch.inference_mode(), bounded_memory(x.device):
            out = program(x)
    except SrgridError:
        raise
    except Exception as error:
        if out_of_memory(error):
            _, _, height, width = x.shape
            raise SrgridError(
                f"{where}: not enough memory to run it on an image of {width} x {height} pixels; is it a whole file of"
                " a network that enlarges images?"
            ) from None
        return 0, f"failed on an input of {sides(x)}: {reason(error)}; mend it, or give a Python entry"
    if not isinstance(out, Tensor):
        return 0, f"answered with a {type(out).__name__}, not with a tensor; export its image alone"
    scale = out.shape[2] // x.shape[2] if out.ndim == 4 else 0
    if scale and tuple(out.shape) == (*x.shape[:2], x.shape[2] * scale, x.shape[3] * scale):
        return scale, ""
    return 0, (
        f"answered {sides(x)} with {sides(out)}, which is no enlargement of it by a whole number; take a network from"
        " colour to colour, or grey to grey"
    )
