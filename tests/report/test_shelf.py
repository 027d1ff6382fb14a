"""The reference shelf: its page follows from its runs, and every printed value has its verdict there."""

import importlib.util
import re
from collections import Counter
from pathlib import Path

from srgrid.choices import choice_protocols
from srgrid.records import TABLE_NAMES, tables_record
from srgrid.report.audit import DIFFERS, EXPLAINED, REPRODUCED
from srgrid.report.literature import literature

ROOT = Path(__file__).resolve().parents[2]


def load():
    spec = importlib.util.spec_from_file_location("shelf_tool", ROOT / "tools/shelf.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


TOOL = load()


def test_the_page_is_up_to_date():
    assert (ROOT / "docs/shelf.md").read_text() == TOOL.text(), "run python tools/shelf.py"


def test_the_runs_are_as_they_were_made():
    for run in (*TOOL.RUNS, *TOOL.CHOICES, TOOL.BICUBIC):
        tables_record(run, TABLE_NAMES)  # raises for an edited table


def test_every_printed_value_that_the_shelf_makes_has_a_verdict():
    grid = TOOL.grids()
    held = set(zip(grid["dataset"], grid["scale"], grid["method"], strict=True))
    wanted = [cell for cell in literature() if (cell.dataset, cell.scale, cell.method) in held]
    found = TOOL.verdicts()
    assert [one.cell for one in found] == wanted
    assert {one.verdict for one in found} <= {REPRODUCED, EXPLAINED, DIFFERS}
    page = (ROOT / "docs/shelf.md").read_text()
    for one in found:
        row = f"| {one.cell.dataset} | {one.cell.scale}x | {one.cell.text} | {one.cell.label} | {one} |"
        assert row in page, row
    for method, count in Counter(one.cell.method for one in found).items():
        assert re.search(rf"^\\| {method} \\| {count} \\|", page, re.M), method


def test_every_single_choice_was_tried_on_every_printed_value():
    wanted = {name for name, protocol in choice_protocols().items() if protocol.channels == "rgb"}
    for one in TOOL.verdicts():
        if one.cell.method != "bicubic":
            tried = {found.protocol for found in one.found} | {"audit-grey-tiled"}  # which is literature
            assert wanted <= tried, one.cell


def test_the_printed_bicubic_columns_are_explained():
    """30 of 32 values, two of them of one paper alone; under rgb8, luma8 and literature none."""
    found = [one for one in TOOL.verdicts() if one.cell.method == "bicubic"]
    explained = [one for one in found if one.verdict == EXPLAINED]
    assert len(found) == 32
    assert Counter(one.found[0].protocol for one in explained) == {"audit-bicubic-luma": 28, "audit-luma-offset": 2}


def test_ssim_of_torchsrs_table_is_explained_by_its_luma():
    found = [one for one in TOOL.verdicts() if one.cell.method == "carn-m"]
    explained = [one for one in found if one.verdict == EXPLAINED]
    assert {one.found[0].protocol for one in explained} == {"audit-luma-offset"}
    assert (len(explained), sum(one.verdict == REPRODUCED for one in found), len(found)) == (5, 2, 10)


def test_the_file_that_its_paper_did_not_score_is_told_by_its_size_and_its_scores():
    """RFDN's released file has a fifth fewer parameters than its paper's network, and no printed cell comes out."""
    costs = {cost.method: cost for run in TOOL.RUNS for cost in TOOL.read_costs(run / "costs.csv") if cost.scale == 4}
    assert costs["rfdn"].parameters < 0.85 * 534_000
    assert abs(costs["rlfn"].parameters - 543_000) < 1000
    verdicts = {method: [one for one in TOOL.verdicts() if one.cell.method == method] for method in ("rfdn", "rlfn")}
    assert not any(one.psnr_holds for one in verdicts["rfdn"])
    assert sum(one.psnr_holds for one in verdicts["rlfn"]) >= 3
