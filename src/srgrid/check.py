"""Claims checked: what they are of is scored under every protocol, and each claim held against all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from srgrid.bench import bench, configure
from srgrid.choices import choice_definitions
from srgrid.columns import columns, rows
from srgrid.errors import SrgridError
from srgrid.protocols import PROTOCOLS

if TYPE_CHECKING:
    from srgrid.report.claims import Claim, Found


def check(
    claims: Sequence[Claim], models: Sequence[str], sr: Mapping[str, str], **changes: Any
) -> list[tuple[Claim, list[Found]]]:
    """Each claim with what every protocol gives for it, the nearest first (`claims.held_against`).

    models, sr: as `columns.columns` takes them. changes: of a config (see `bench.configure`). The protocols are the
    built-in ones and those that change a single choice of theirs (choices.yaml). Raises SrgridError as `bench` does,
    for claims of data sets or methods that are not there too.
    """
    from srgrid.report.claims import held_against

    scales = list(dict.fromkeys(claim.scale for claim in claims))
    held = rows(list(dict.fromkeys(claim.dataset for claim in claims)))
    names = dict(zip(dict.fromkeys(claim.dataset for claim in claims), held, strict=True))
    wanted = {(names[claim.dataset], claim.scale, claim.method) for claim in claims}
    definitions = choice_definitions()
    config = configure(columns(models, sr, scales), list(held), scales, protocols=[*PROTOCOLS, *definitions], **changes)
    config["define_protocols"] = definitions
    grid = bench(config, folders={name: folder for name, folder in held.items() if folder}).data.grid
    values: dict[tuple[str, int, str], dict[str, tuple[float, float]]] = {}
    for cell in grid.to_dict("records"):
        where = (str(cell["dataset"]), int(cell["scale"]), str(cell["method"]))
        values.setdefault(where, {})[str(cell["protocol"])] = (float(cell["psnr"]), float(cell["ssim"]))
    if lost := [f"{name} x{scale} {method}" for name, scale, method in wanted if (name, scale, method) not in values]:
        raise SrgridError(
            f"{', '.join(sorted(lost))}: no such cell; name the column, NAME=MODEL, and a data set's scales"
        )
    return [(c, held_against(c, values[names[c.dataset], c.scale, c.method])) for c in claims]
