"""What shapes an RCAN, its named sizes, and what the card says of it. Nothing here imports torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from srgrid.errors import SrgridError
from srgrid.models.architecture import shown

SCALES = (2, 3, 4)


@dataclass(frozen=True)
class RcanConfig:
    """Everything that shapes the network. The defaults are the published size.

    `rgb_range` is the range the network computes in (1 for ours, 255 for the official checkpoints); images are
    always passed in and returned in 0..1.
    """

    scale: int = 4
    groups: int = 10
    blocks: int = 20
    features: int = 64
    reduction: int = 16
    attention: Literal["bam", "ca"] = "bam"
    rgb_range: float = 1.0
    activation: Literal["relu", "silu"] = field(default="relu", metadata={"later": True})  # silu: RCAN-it's

    def __post_init__(self) -> None:
        for name in ("scale", "groups", "blocks", "features", "reduction"):
            if type(getattr(self, name)) is not int:
                raise SrgridError(f"{name} {shown(getattr(self, name))}: expected a whole number")
        if self.scale not in SCALES:
            raise SrgridError(f"scale {shown(self.scale)}: there is no such model; choose 2, 3 or 4")
        if type(self.rgb_range) not in (int, float) or not 0 < self.rgb_range < math.inf:
            raise SrgridError(f"rgb_range {shown(self.rgb_range)}: expected a positive number, such as 1 or 255")
        if self.attention not in ("bam", "ca"):
            raise SrgridError(f"attention {shown(self.attention)}: choose 'bam' or 'ca'")
        if self.activation not in ("relu", "silu"):
            raise SrgridError(f"activation {shown(self.activation)}: choose 'relu' or 'silu'")
        if min(self.groups, self.blocks, self.reduction) < 1 or self.features < self.reduction:
            raise SrgridError(
                f"model size {shown(asdict(self))}: counts must be positive, and features at least reduction"
            )


_SMALL = RcanConfig(groups=4, blocks=4, features=32, reduction=8)

SIZES: dict[str, RcanConfig] = {
    "rcan-bam": RcanConfig(),
    "rcan": RcanConfig(attention="ca"),
    "rcan-bam-s": _SMALL,
    "rcan-s": replace(_SMALL, attention="ca"),
    "rcan-bam-xs": RcanConfig(groups=1, blocks=3, features=24, reduction=4),
}

_RCAN = (
    "RCAN (Zhang et al. 2018) stacks residual blocks in residual groups, each bridged by a short skip connection and"
    " all of them by a long one, so that the network spends its depth on detail while the smooth content passes by."
    " Inside each block an attention unit weighs the feature channels."
)
_BAM = (
    " RCAN-BAM exchanges that unit for balanced attention (BAM, Wang et al. 2021): one branch weighs channels by their"
    " averages, another weighs positions by the maximum over channels, and the two are multiplied."
)
_END = " The enlargement happens at the very end, by pixel shuffle."


def about(config: RcanConfig) -> str:
    """What the card says of the network."""
    return _RCAN + (_BAM if config.attention == "bam" else "") + _END


def citations(config: RcanConfig) -> tuple[str, ...]:
    """Keys of references.bib."""
    return ("zhang2018rcan", "wang2021bam") if config.attention == "bam" else ("zhang2018rcan",)


def least(config: RcanConfig) -> tuple[int, int]:
    """Tensors and numbers of the network, at least: each block has two 3x3 convolutions."""
    blocks = config.groups * config.blocks
    return blocks, 18 * blocks * config.features**2
