"""costs.csv: written, read strictly, and shown on card and page."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from run_dir import MODEL, edit_record

from srgrid.cost import Cost, Priced
from srgrid.errors import SrgridError
from srgrid.report.card import build_card
from srgrid.report.costs import COLUMNS, cost_table, read_costs, write_costs
from srgrid.settings import Costs

NOTE = "no network: operations are not counted"
TIMED = {"seconds": 0.125, "seconds_low": 0.1, "seconds_high": 0.15, "repeats": 10, "measured_at": "256x256"}
MACHINE = {"device": "a card", "precision": "fp32", "threads": 2, "torch": "2.13.0", "memory_bytes": 3 << 20}


def priced() -> list[Priced]:
    """What the columns of `run_dir` might cost: counted, and at x2 measured."""
    found = []
    for scale in (2, 4):
        found.append(Priced(Cost("bicubic", scale, parameters=0, note=NOTE)))
        own = Cost(MODEL, scale, 422_891, 31_157_975_296, 113_530_176, "320x180")
        own = replace(own, **TIMED, **MACHINE, score=7.38906) if scale == 2 else own  # type: ignore[arg-type]
        found.append(Priced(own, f"{scale + 16:x}" * 32))
    return found


@pytest.fixture
def costly(run: Path, tmp_path: Path) -> Path:
    """A copy of the run that has costs."""
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("HR", "SR", "scores", "model_card*"))
    write_costs(tmp_path / "run/costs.csv", priced(), Costs())
    return tmp_path / "run"


def texts(run: Path) -> tuple[str, str]:
    build_card(run)
    return (run / "model_card.md").read_text(), (run / "model_card.html").read_text()


def test_what_is_written_is_read(costly: Path) -> None:
    assert read_costs(costly / "costs.csv") == [one.cost for one in priced()]
    first = (costly / "costs.csv").read_bytes()
    write_costs(costly / "costs.csv", priced(), Costs())
    assert (costly / "costs.csv").read_bytes() == first


def test_card_and_page_show_the_costs_and_how_they_were_found(costly: Path) -> None:
    edit_record(costly / "provenance.json", lambda record: record["config"].update(costs={"baseline": MODEL}))
    for text in texts(costly):
        for word in ("422,891", "31.16", "113.53", "0.125", "3.0", "a card, fp32, threads: 2", "7.389", NOTE):
            assert word in text
        assert "counted for an SR image of 1280 x 720 pixels" in text
        assert "the median of 10 enlargements of one LR image of 256 x 256 pixels" in text
        assert f"each divided by that of {MODEL}, which has 7.389" in text
        assert all(key in text for key in ("ahn2018carn", "zhang2020aim", "ren2025ntire"))
    assert 'download="costs.csv"' in (costly / "model_card.html").read_text()


def test_a_run_without_costs_says_nothing_of_them(run: Path) -> None:
    for text in texts(run):
        assert "ultiply-adds" not in text.partition("<script")[0]  # the plots know of costs in any run
        assert "ahn2018carn" not in text


def test_only_columns_that_hold_anything_are_shown() -> None:
    names, rows = cost_table([Cost("bicubic", 2, parameters=0)])
    assert (names, rows) == (["Method", "Scale", "Parameters"], [["bicubic", "x2", "0"]])
    assert cost_table([]) == ([], [])


def edited(change: tuple[str, str]) -> str:
    """costs.csv of one measured row, with one text changed."""
    values = dict.fromkeys(COLUMNS, "")
    values |= {"method": "net", "scale": "2", "parameters": "5", "multiply_adds": "6", "activations": "7"}
    values |= {"counted_at": "640x360", **{key: str(value) for key, value in {**TIMED, **MACHINE}.items()}}
    values |= dict([change])
    return ",".join(COLUMNS) + "\n" + ",".join(values.values()) + "\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("scale", "0"), "scale is '0', not a whole number from 1"),
        (("method", ""), "method is '', not a name"),
        (("parameters", "-5"), "parameters is '-5', not a whole number from 0"),
        (("parameters", "5.5"), "parameters is '5.5'"),
        (("multiply_adds", "1e9"), "multiply_adds is '1e9'"),
        (("multiply_adds", ""), "a cell is empty, and no note says why"),
        (("counted_at", ""), "operations were counted at no size"),
        (("seconds", "0"), "seconds is '0', not seconds above 0"),
        (("seconds", "inf"), "seconds is 'inf'"),
        (("seconds", "nan"), "seconds is 'nan'"),
        (("seconds", "0.2"), "the median does not lie between the quartiles"),
        (("seconds", ""), "measured in part"),
        (("device", ""), "measured in part"),
        (("measured_at", "256"), "measured_at is '256', not width x height"),
        (("precision", "fp8"), "precision is 'fp8', not fp32 or bf16"),
        (("score", "-1"), "score is '-1', not a number above 0"),
    ],
)
def test_reading_is_strict(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    (tmp_path / "costs.csv").write_text(edited(("note", "")))
    assert len(read_costs(tmp_path / "costs.csv")) == 1
    (tmp_path / "costs.csv").write_text(edited(change))
    with pytest.raises(SrgridError, match="row 2") as error:
        read_costs(tmp_path / "costs.csv")
    assert message in str(error.value)
    (tmp_path / "costs.csv").write_text(edited(("note", "")) + edited(("note", "")).splitlines()[1] + "\n")
    with pytest.raises(SrgridError, match="net 2 is there twice"):
        read_costs(tmp_path / "costs.csv")


def of_other_weights(run: Path) -> None:
    edit_record(run / "costs.json", lambda record: record["columns"][f"{MODEL} x2"].update(weights_sha256="0" * 64))


def of_fewer_columns(run: Path) -> None:
    edit_record(run / "costs.json", lambda record: record["columns"].pop(f"{MODEL} x4"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / "costs.csv").write_text(edited(("note", ""))), "costs.csv: edited or damaged"),
        (lambda run: (run / "costs.csv").unlink(), "costs.csv is missing"),
        (lambda run: (run / "costs.json").unlink(), "costs.json does not exist"),
        (of_other_weights, "tells of other weights than the SR images of rcan-bam-s x2"),
        (of_fewer_columns, "costs.csv: has no rcan-bam-s x4"),
    ],
)
def test_costs_that_are_not_this_runs_are_refused(costly: Path, damage, message: str) -> None:
    damage(costly)
    with pytest.raises(SrgridError, match=message):
        build_card(costly)
    assert not list(costly.glob("model_card*"))


def test_costs_of_other_code_are_told(costly: Path) -> None:
    edit_record(costly / "costs.json", lambda record: record["code"].update(source="0" * 16))
    assert "Not made by the code that made this card: the costs" in texts(costly)[0]


def test_columns_that_a_run_no_longer_has_are_not_shown(costly: Path) -> None:
    more = [*priced(), Priced(Cost("gone", 2, 1, 2, 3, "640x360"), "0" * 64)]
    write_costs(costly / "costs.csv", more, Costs())
    assert "gone" not in texts(costly)[0]
