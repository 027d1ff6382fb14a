"""The command that says what methods cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from srgrid.cli.options import PATH, by_column, example, json_option, settings_of
from srgrid.errors import SrgridError
from srgrid.files import keep_apart
from srgrid.settings import Costs, Options


@click.command(epilog=example("srgrid cost costs.csv bicubic:4=bicubic small:4=rcan-bam-s --measure"))
@click.argument("out", type=PATH, help="costs.csv; its record is written beside it, .json.")
@click.argument("columns", nargs=-1, required=True, metavar="METHOD:SCALE=MODEL...")
@settings_of(Costs, "measure")
@click.option(
    "--size",
    type=click.IntRange(min=1),
    nargs=2,
    metavar="WIDTH HEIGHT",
    default=(256, 256),
    help="Width and height of the LR image.",
)
@settings_of(Costs, "warmup", "repeats", "baseline")
@settings_of(Options, "device", "precision", "threads")
@json_option("--rgb-range", "JSON object: 1 or 255 by method, where a checkpoint does not tell it.")
def cost(
    out: Path,
    columns: tuple[str, ...],
    measure: bool,
    size: tuple[int, int],
    rgb_range: dict[str, Any],
    warmup: int,
    repeats: int,
    baseline: str,
    **options: Any,
) -> None:
    """Count what methods cost, and measure it: parameters, multiply-adds, activations; seconds and memory.

    MODEL is what `srgrid upscale` takes; nothing, for finished SR images.
    """
    from srgrid.cost import Column, costs
    from srgrid.report.costs import write_costs

    if out.suffix != ".csv":
        raise SrgridError(f"{out}: costs are written as .csv, with .json beside it; choose such a name")
    named = by_column(columns, "columns", "MODEL")
    keep_apart(out, *(Path(model) for model in named.values() if Path(model).is_file()))
    how = Costs(measure, list(size), warmup, repeats, baseline)
    wanted = [Column(method, scale, model, rgb_range.get(method)) for (method, scale), model in named.items()]
    found = costs(wanted, how, Options(**options))
    write_costs(out, found, how)
    for one in found:
        print(_line(one.cost))


def _line(cost: Any) -> str:
    """A column's cost in one line."""
    parts = [f"{cost.method} x{cost.scale}:"]
    parts += [f"{cost.parameters:,} parameters"] if cost.parameters is not None else []
    parts += [f"{cost.multiply_adds / 1e9:.2f} G multiply-adds"] if cost.multiply_adds is not None else []
    parts += [f"{cost.activations / 1e6:.2f} M activations"] if cost.activations is not None else []
    if cost.seconds is not None:
        spread = f"{cost.seconds_low:.3g} to {cost.seconds_high:.3g}"
        parts.append(f"{cost.seconds:.3g} s ({spread}) an image of {cost.measured_at} on {cost.device}")
    return "  ".join([*parts, *([cost.note] if cost.note else [])])
