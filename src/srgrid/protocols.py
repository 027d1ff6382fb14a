"""Scoring protocols: every choice that a super-resolved image is made comparable with its original by, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from srgrid.errors import SrgridError
from srgrid.luma import Luma

Border = Literal["valid", "reflect"]
Window = Literal["gaussian-11", "uniform-7"]


@dataclass(frozen=True)
class Protocol:
    """How a super-resolved image is made comparable with its original, and compared. Every field is a choice that
    moves published numbers; the audit measures by how much."""

    name: str
    about: str
    degradation: str = "matlab"  # makes the LR images, and names what enlarges them for the bicubic baseline
    hr: Literal["crop", "resize"] = "crop"  # HR not a multiple of the scale: cropped, or resized to the SR's size
    quantise: bool = True  # SR rounded to 8 bits before scoring
    luma: Luma = "bt601"
    round_luma: bool = False  # both Y images rounded to 8 bits
    shave: int | Literal["scale"] = "scale"  # pixels cut from every border
    grey: Literal["own", "tile"] = "own"  # grey images: own values, or tiled to RGB and converted to Y
    ssim_window: Window = "gaussian-11"  # or uniform-7: what scikit-image does when it is not told otherwise
    ssim_border: Border = "valid"  # average the windows inside the image, or all, the border reflected
    channels: Literal["rgb", "luma"] = "rgb"  # what SR images hold: RGB, or Y alone

    def record(self) -> dict[str, Any]:
        """Its fields, for records; `channels` came later, and earlier records lack it where it is rgb."""
        return {key: value for key, value in asdict(self).items() if (key, value) != ("channels", "rgb")}


PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol("rgb8", "SR is an 8-bit RGB image, compared on its unrounded Y: the RCAN paper's script."),
        Protocol(
            "luma8", "As rgb8, on Y rounded to 8 bits: the bicubic column of super-image's cards.", round_luma=True
        ),
        Protocol("literature", "As rgb8, grey images tiled to RGB: the model columns of papers.", grey="tile"),
        Protocol(
            "super-image",
            "Float SR, Pillow LR images, HR resized to LR size x scale, Y weights of its own: as super-image scores.",
            degradation="pillow-uncropped",
            hr="resize",
            quantise=False,
            luma="super-image",
        ),
    )
}


def protocols(extra: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Protocol]:
    """The built-in protocols and those of a config: `{name: {base: rgb8, shave: 0, ...}}`.

    Raises SrgridError, naming the key, for an unknown base, field or value, or a built-in name defined again.
    """
    known = dict(PROTOCOLS)
    for name, given in (extra or {}).items():
        if name in PROTOCOLS:
            raise SrgridError(f"protocols.{name}: is built in and cannot be redefined; choose another name")
        if not isinstance(given, Mapping):
            raise SrgridError(f"protocols.{name}: expected fields, such as {{base: rgb8, shave: 0}}, got {given!r}")
        changes = dict(given)
        base = get_protocol(str(changes.pop("base", "rgb8")), known)
        for key, value in changes.items():
            _check_field(name, key, value)
        known[name] = replace(base, name=name, **{"about": f"As {base.name}, changed: {changes}.", **changes})
    return known


def _check_field(name: str, key: str, value: object) -> None:
    allowed: dict[str, tuple[object, ...]] = {
        "hr": ("crop", "resize"),
        "quantise": (True, False),
        "luma": get_args(Luma),
        "round_luma": (True, False),
        "grey": ("own", "tile"),
        "ssim_window": get_args(Window),
        "ssim_border": get_args(Border),
        "channels": ("rgb", "luma"),
    }
    if key == "lr_kernel":
        raise SrgridError(
            f"protocols.{name}.lr_kernel: is degradation now; write degradation: {value}, or {value}-uncropped with "
            "hr: resize"
        )
    if key not in {f.name for f in fields(Protocol)} - {"name"}:
        keys = ", ".join(["base", "degradation", *allowed, "shave"])
        raise SrgridError(f"protocols.{name}.{key}: no such key; the keys are {keys}")
    if key in allowed and value not in allowed[key]:
        choices = ", ".join(map(str, allowed[key]))
        raise SrgridError(f"protocols.{name}.{key}: {value!r} is not one of {choices}")
    if key == "degradation" and not isinstance(value, str):
        raise SrgridError(f"protocols.{name}.degradation: {value!r} is no name of a degradation")
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if key == "shave" and not (value == "scale" or whole):
        raise SrgridError(f"protocols.{name}.shave: {value!r} is neither 'scale' nor a number of pixels")


def get_protocol(name: str, known: Mapping[str, Protocol] = PROTOCOLS) -> Protocol:
    """The protocol of that name. Raises SrgridError, listing the names, if there is none."""
    if name not in known:
        raise SrgridError(f"unknown protocol {name!r}; choose one of {', '.join(known)}")
    return known[name]
