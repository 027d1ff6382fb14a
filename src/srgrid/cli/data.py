"""Commands about benchmark images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from srgrid.cli.options import PATH, config_option, example, scale
from srgrid.files import MANIFEST, keep_apart

mirror_option = click.option(
    "--mirror", type=PATH, envvar="SRGRID_MIRROR", help="Folder laid out NAME/HR/*, used instead of downloads."
)


@click.group(epilog=example("srgrid data list"))
def data() -> None:
    """Benchmark images: list, fetch, verify, export."""


@data.command("list", epilog=example("srgrid data list"))
def data_list() -> None:
    """List the data sets: images, scales, where they come from, licence."""
    from rich.console import Console
    from rich.table import Table

    from srgrid.data import registry

    table = Table("name", "images", "sources", "licence", box=None)
    for name in registry.names():
        entry = registry.get(name)
        table.add_row(name, str(entry.images), entry.origin, entry.licence)
    Console().print(table)


@data.command("fetch", epilog=example("srgrid data fetch Set5 HR_DIR"))
@click.argument("name", help="Data set, see `srgrid data list`.")
@click.argument("out_dir", type=PATH, help="Folder to make: 8-bit PNGs and a manifest.")
@mirror_option
@config_option("--define")
def data_fetch(name: str, out_dir: Path, mirror: Path | None, define: dict[str, Any]) -> None:
    """Take a data set's HR images from a mirror or the network, and recognise each by its pixels."""
    from srgrid.data import fetch

    fetch(name, out_dir, mirror, extra=define)


@data.command("verify", epilog=example("srgrid data verify ANY_FOLDER --dataset Set5"))
@click.argument("folder", type=PATH, help="Any folder of images.")
@click.option("--dataset", help="Require all of this data set, and nothing else.")
@click.option("--report", type=PATH, help="Write what was found as JSON.")
@config_option("--define")
def data_verify(folder: Path, dataset: str | None, report: Path | None, define: dict[str, Any]) -> None:
    """Say of every image in a folder which benchmark image it is, cropped or not, or that it is unknown."""
    from srgrid.data import verify

    found = verify.verify_dir(folder, dataset, extra=define)
    if report:
        keep_apart(report, folder / MANIFEST, *(folder / row.file for row in found.rows))
        verify.write_report(found, report)
    for line in verify.lines(found):
        print(line)
    verify.require(found)


@data.command("export", epilog=example("srgrid data export Set5 --scale 4 --out PARQUET_DIR"))
@click.argument("name", help="Data set.")
@scale
@click.option("--out", type=PATH, required=True, help="Folder for the Parquet file.")
@click.option("--kernel", default="matlab", help="matlab or pillow.")
@mirror_option
def data_export(name: str, scale: int, out: Path, kernel: str, mirror: Path | None) -> None:
    """Write a data set as Parquet (name, hr, lr) that `datasets.load_dataset("parquet", ...)` reads."""
    from srgrid.data import export

    print(export(name, scale, out, kernel=kernel, mirror=mirror))
