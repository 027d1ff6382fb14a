"""The tables of a run in other forms, for papers."""

from pathlib import Path

from srgrid.records import read_record
from srgrid.report.differences import run_differences
from srgrid.report.grid import wide
from srgrid.report.textable import Words, latex

EXPORTS = ("grid.tex", "grid_wide.csv", "differences.csv")


def export(run_dir: Path) -> None:
    """Write grid.tex (LaTeX), grid_wide.csv (a row per data set, scale and protocol) and differences.csv.

    What the LaTeX table says beyond the grid is in the config that provenance.json records, `card.names` and
    `card.beside`. Raises SrgridError if the run's tables are missing or were edited.
    """
    grid, (tex, broad, differences) = run_dir / "grid.csv", (run_dir / name for name in EXPORTS)
    latex(grid, tex, words=_words(run_dir / "provenance.json"))
    wide(grid, broad)
    run_differences(run_dir, differences)


def _words(path: Path) -> Words:
    if not path.is_file():  # tables alone
        return Words()
    card = read_record(path, "provenance", "write it again (srgrid provenance)")["config"].get("card", {})
    return Words(card.get("names", {}), card.get("beside", ()))
