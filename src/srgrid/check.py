"""Claims checked: what they are of is scored under every protocol, and each claim held against all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from srgrid.bench import bench, configure
from srgrid.choices import choice_definitions, choice_protocols
from srgrid.columns import Column, columns, rows
from srgrid.errors import SrgridError
from srgrid.plan import BASELINE
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
    values: dict[tuple[str, int, str], dict[str, tuple[float, float]]] = {}
    for scored, names_of in _tables(columns(models, sr, scales), {claim.method for claim in claims}):
        config = configure(scored, list(held), scales, protocols=names_of, **changes)
        config["define_protocols"] = choice_definitions()
        grid = bench(config, folders={name: folder for name, folder in held.items() if folder}).data.grid
        for cell in grid.to_dict("records"):
            where = (str(cell["dataset"]), int(cell["scale"]), str(cell["method"]))
            values.setdefault(where, {})[str(cell["protocol"])] = (float(cell["psnr"]), float(cell["ssim"]))
    if lost := [f"{name} x{scale} {method}" for name, scale, method in wanted if (name, scale, method) not in values]:
        raise SrgridError(
            f"{', '.join(sorted(lost))}: no such cell; name the column, NAME=MODEL, and a data set's scales"
        )
    return [(c, held_against(c, values[names[c.dataset], c.scale, c.method])) for c in claims]


def _tables(scored: Sequence[Column], methods: Collection[str]) -> list[tuple[Sequence[Column], list[str]]]:
    """The columns that are claimed, with the protocols that they are scored under: those whose SR images are luma are
    bicubic's alone."""
    known = PROTOCOLS | choice_protocols()
    luma = [name for name, protocol in known.items() if protocol.channels == "luma"]
    claimed = [column for column in scored if column.name in methods]
    bicubic = [column for column in claimed if column.name == BASELINE]
    tables = [(claimed, [name for name in known if name not in luma]), (bicubic, luma)]
    return [(some, names) for some, names in tables if some]
