"""The command that lays the workflow's files out."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from srgrid.cli.options import PATH, example


@click.command(epilog=example("srgrid workflow demo my-benchmark"))
@click.argument("run", help="Its config: demo, which needs no download, published, or one of the shelf's.")
@click.argument("out_dir", type=PATH, help="Folder to make: Snakefile, rules, configs, profiles.")
def workflow(run: str, out_dir: Path) -> None:
    """Lay the Snakemake workflow out in a new folder, and print the command that runs it there."""
    from srgrid.installed import lay_out

    lay_out(run, out_dir)
    print(f"cd {shlex.quote(str(out_dir))} && snakemake --cores 2 --configfile config/{run}.yaml")
