"""The command that holds printed claims against scores."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from srgrid.cli.data import mirror_option
from srgrid.cli.options import Words, example, pairs, settings_of
from srgrid.configuration import Compute
from srgrid.errors import SrgridError


@click.command(
    cls=Words,
    epilog=example(
        'srgrid check "32.63/0.9002" --sr SR_DIR --dataset Set5 --scale 4',
        "srgrid check table.md --model mine=net.py:make \\\n    --sr theirs=SR/{dataset}/x{scale}",
    ),
)
@click.argument("claim", help='PSNR/SSIM as printed, "32.63/0.9002"; or a table, .md, .csv or .tex.')
@click.option("--model", multiple=True, metavar="[NAME=]MODEL", help="What made the claim: what `bench` takes.")
@click.option("--sr", multiple=True, metavar="[NAME=]FOLDER", help="Finished SR images that were scored.")
@click.option("--dataset", help="Of a single claim: a name, or [NAME=]FOLDER/ of HR images of your own.")
@click.option("--scale", "-s", type=click.IntRange(2, 8), help="Of a single claim.")
@mirror_option
@settings_of(Compute, "device", "precision", "threads")
def check(
    claim: str,
    model: tuple[str, ...],
    sr: tuple[str, ...],
    dataset: str | None,
    scale: int | None,
    mirror: Path | None,
    **compute: Any,
) -> None:
    """Find the protocol under which a printed claim comes out to its digits; status 1 if there is none."""
    from srgrid.check import check as run
    from srgrid.columns import columns
    from srgrid.report.claims import READERS, Claim, claims_of, read_table

    folders = {name: str(path) for name, path in pairs([_named(text) for text in sr], "--sr", "NAME=FOLDER").items()}
    single = Path(claim).suffix not in READERS
    if single == (not dataset or not scale):
        raise SrgridError("a single claim needs --dataset and --scale; a table (.md, .csv, .tex) names its own")
    table = [] if single else read_table(Path(claim))
    scales = [scale] if scale else list(dict.fromkeys(row.scale for row in table))
    names = [column.name for column in columns(model, folders, scales)]
    claims = claims_of(table, names) if table else [Claim.of(claim, str(dataset), scales[0], names[-1])]
    if single and len(names) > 2:
        raise SrgridError(f"{claim}: of one --model or --sr alone; give one, or a table of claims")
    found = run(claims, model, folders, mirror=str(mirror or ""), compute=compute)
    print("\n".join(_lines(found)))
    sys.exit(0 if all(results[0].how for _, results in found) else 1)


def _named(text: str) -> str:
    return text if "=" in text else f"given={text}"


def _lines(found: Sequence[tuple[Any, Sequence[Any]]]) -> list[str]:
    """Each claim and what comes out; of a single claim, every protocol."""
    lines = []
    for claim, results in found:
        best = results[0]
        verdict = f"{best.protocol}, {best.how}" if best.how else f"under no protocol; nearest {best.protocol}"
        lines.append(f"{claim.dataset} x{claim.scale} {claim.method} {claim}: {verdict}, {_scored(claim, best)}")
        if len(found) == 1:
            width = max(len(one.protocol) for one in results)
            lines += [f"  {one.protocol:<{width}}  {_scored(claim, one)}" for one in results]
    if len(found) > 1:
        count = sum(bool(results[0].how) for _, results in found)
        lines.append(f"{count} of {len(found)} claims come out to every printed digit")
    return lines


def _scored(claim: Any, one: Any) -> str:
    psnr, ssim = one.apart
    apart = f"{psnr:+.4f}" + (f"/{ssim:+.5f}" if claim.ssim else "")
    return f"{one.psnr:.4f}/{one.ssim:.5f} ({one.how or apart})"
