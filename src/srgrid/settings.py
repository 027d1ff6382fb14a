"""How a setting is told once: its type, default, range and meaning, as a field of a record.

Records of settings are `srgrid.configuration.Config` (config.yaml), `srgrid.train.TrainConfig` and `Options`, what
`srgrid upscale` takes. tools/settings.py writes config.yaml, its JSON schema and docs/settings.md from them. Nothing
heavy is imported here: planning a run and printing a help text read this module.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from srgrid.errors import SrgridError

Precision = Literal["auto", "fp32", "bf16"]
Kind = Literal["8bit", "float"]
Written = Literal["png", "tif", "webp", "bmp", "ppm", "tga", "jp2", "jpg", "avif"]


class Rule:
    """Words of JSON Schema that narrow a type."""

    def __init__(self, **words: Any) -> None:
        self.words = words


Device = Annotated[str, Rule(pattern="^(auto|cpu|cuda(:[0-9]+)?)$", title="auto, cpu, cuda or cuda:N")]
Size = Annotated[list[Annotated[int, Rule(minimum=1)]], Rule(minItems=2, maxItems=2)]

_WORDS: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    NoneType: "null",
    dict[str, Any]: "object",
}


def setting(default: Any, about: str, **rule: Any) -> Any:
    """A field of a record of settings. rule: words of JSON Schema, such as minimum and maximum."""
    kept: dict[str, Any] = {"about": about, "rule": rule}
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=kept)
    return field(default=default, metadata=kept)


@dataclass(frozen=True)
class Options:
    """How `srgrid upscale` enlarges and stores images. Raises SrgridError for a word that is none of the choices."""

    kind: Kind = setting("8bit", "Rounded half up; or .npy, float32 in 0..255, never rounded.")
    ensemble: bool = setting(False, "x8 self-ensemble: mean over 8 flips and turns.")
    tile: int | None = setting(
        None,
        "Side of tiles in LR pixels; none: as memory allows. Exact in srgrid's own networks alone.",
        minimum=1,
    )
    precision: Precision = setting("auto", "What a network computes in; auto: bf16 where the hardware does.")
    device: str = setting("auto", "auto, cpu, cuda or cuda:N.")
    threads: int | None = setting(None, "Threads of PyTorch.", minimum=1)
    rgb_range: float | None = setting(
        None, "Range of inputs, 1 or 255, where another project's checkpoint does not tell it."
    )
    batch: int | None = setting(
        None, "Images of equal size at once; none: 1 on a CPU, up to 16 on a GPU. In Python alone.", minimum=1
    )

    format: Written = setting("png", "Of a folder's SR images; one image is written as its name says.")
    quality: int | None = setting(None, "Makes jpg, avif or webp lossy.", minimum=1, maximum=100)
    skip_bad: bool = setting(False, "Leave out bad images of a folder; say which.")

    def __post_init__(self) -> None:
        for name, choices in choices_of(Options).items():
            if getattr(self, name) not in choices:
                raise SrgridError(f"{name} {getattr(self, name)!r}: choose one of {', '.join(choices)}")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise SrgridError(f"quality {self.quality}: choose 1 to 100")
        if self.kind == "float" and (self.format != "png" or self.quality is not None):
            raise SrgridError("kind float: is written as .npy; leave format and quality out")

    @property
    def suffix(self) -> str:
        """Of the files written into a folder."""
        return f".{self.format}" if self.kind == "8bit" else ".npy"


@dataclass(frozen=True)
class Costs:
    """What costs.csv holds beside what is counted."""

    measure: bool = setting(
        False,
        "Measure seconds and memory, too: each method alone on the machine, with the device, precision and threads of "
        "`compute`. Parameters, multiply-adds and activations are always counted.",
    )
    size: Size = setting([256, 256], "Width and height, in pixels, of the LR image that is enlarged.")
    warmup: int = setting(3, "Enlargements before the first that is timed.", minimum=1)
    repeats: int = setting(10, "Enlargements that are timed.", minimum=2)
    baseline: str = setting(
        "",
        "A method of this run by whose seconds, multiply-adds and parameters those of the others are divided for the "
        "efficiency score of NTIRE's challenges. Empty: no score.",
    )


def told(record: type) -> dict[str, Field[Any]]:
    """The fields of a record of settings, by name; their metadata has `about` and `rule`."""
    return {one.name: one for one in fields(record)}


def choices_of(record: type) -> dict[str, tuple[str, ...]]:
    """The words that the fields of a record which take one of several may hold."""
    hints = get_type_hints(record)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


def schema(hint: Any) -> dict[str, Any]:
    """The JSON Schema of a type: of records of settings, closed and with all fields required, and of what they hold."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _WORDS:
        made: dict[str, Any] = {"type": _WORDS[hint]}
    elif isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
        hints = get_type_hints(hint, include_extras=True)
        properties = {name: schema(hints[name]) | one.metadata["rule"] for name, one in told(hint).items()}
        closed = {"additionalProperties": False, "required": list(properties)}
        made = {"type": "object", **closed, "properties": properties}
    elif origin is Annotated:
        made = schema(arguments[0]) | arguments[1].words
    elif origin is Literal:
        made = {"enum": list(arguments)}
    elif origin in (Union, UnionType):
        made = {"oneOf": [schema(one) for one in arguments]}
    elif origin in (list, tuple):
        made = {"type": "array", "items": schema(arguments[0])}
    elif origin is dict:
        keys, values = schema(arguments[0]), schema(arguments[1])
        named = {"propertyNames": keys} if "pattern" in keys else {}
        made = {"type": "object", **named, **({"additionalProperties": values} if values else {})}
    else:
        made = {}
    return made
