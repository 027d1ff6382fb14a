"""The tables of a run in other forms, for papers."""

from pathlib import Path

from srgrid.report.differences import run_differences
from srgrid.report.grid import latex, wide

EXPORTS = ("grid.tex", "grid_wide.csv", "differences.csv")


def export(run_dir: Path) -> None:
    """Write grid.tex (LaTeX), grid_wide.csv (a row per data set, scale and protocol) and differences.csv.

    Raises SrgridError if the run's tables are missing or were edited.
    """
    grid, (tex, broad, differences) = run_dir / "grid.csv", (run_dir / name for name in EXPORTS)
    latex(grid, tex)
    wide(grid, broad)
    run_differences(run_dir, differences)
