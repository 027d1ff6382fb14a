"""Differences between methods: paired, with intervals that hold, tests that err as rarely as they say."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from run_dir import LACKING, MODEL, edit_record, make_run
from scipy import stats

from srgrid.cli import app
from srgrid.errors import SrgridError
from srgrid.metrics import PSNR_SSIM
from srgrid.report.card import render_html, render_markdown
from srgrid.report.cardata import gather
from srgrid.report.comparison import Asked, compared, lines, open_scored
from srgrid.report.differences import COLUMNS, differences, holm, paired, run_differences, tally
from srgrid.report.tables import read_scores

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import interval_coverage as coverage  # noqa: E402


def test_interval_and_p_are_students():
    apart = np.array([0.3, 0.1, 0.25, -0.05, 0.4])
    mean, low, high, p, least = paired(apart)
    expected = stats.ttest_1samp(apart, 0.0)
    assert (mean, p) == (pytest.approx(0.2), pytest.approx(expected.pvalue))
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert low < 0.0 < p < 0.1
    # With that true mean and this spread, four of five such sets would show it.
    rng = np.random.default_rng(0)
    draws = rng.normal(least, apart.std(ddof=1), (4000, 5))
    assert np.mean(stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize(
    ("apart", "p"), [([0.0, 0.0, 0.0], 1.0), ([0.2, 0.2, 0.2], 0.0), ([0.2], np.nan), ([np.inf, 0.1], np.nan)]
)
def test_p_where_there_is_no_spread_or_no_answer(apart, p):
    assert paired(np.array(apart))[3] == pytest.approx(p, nan_ok=True)


def test_holms_correction():
    """Worked by hand: 3 x 0.01, then 2 x 0.03, then 0.04, which may not fall below the last; NaN does not count."""
    assert holm([0.01, 0.04, np.nan, 0.03]) == pytest.approx([0.03, 0.06, np.nan, 0.06], nan_ok=True)
    assert holm([0.7, 0.9]) == [1.0, 1.0]


def documented(size):
    """Rows of docs/comparing.md for sets of so many images: shares in per cent, by name."""
    rows = [line.split("|")[1:-1] for line in (ROOT / "docs/comparing.md").read_text().splitlines()]
    rows = [[cell.strip() for cell in row] for row in rows if len(row) == 7]
    return {row[0]: [float(text.removesuffix(" %")) for text in row[2:]] for row in rows if row[1] == str(size)}


@pytest.mark.parametrize("size", coverage.SIZES)
def test_the_measured_coverage_is_that_of_the_docs(size):
    """Drawn from the differences of real images, whose mean is known (benchmarks/interval_coverage.py)."""
    scores, rng = read_scores(ROOT / "results/published/scores.csv"), np.random.default_rng(7)
    said = documented(size)
    assert set(said) == set(coverage.CELLS)
    for name, cell in coverage.CELLS.items():
        population = coverage.population(scores, *cell)
        draws = rng.choice(population, (1000, size))
        ends = np.array([paired(draw)[1:3] for draw in draws])
        held = 100 * np.mean((ends[:, 0] <= population.mean()) & (population.mean() <= ends[:, 1]))
        assert said[name][1] == pytest.approx(held, abs=3.5)
        assert said[name][0] < said[name][1] + 2, "the bootstrap holds more often: use it"


def test_every_pair_in_every_cell(run):
    scores = read_scores(run / "scores.csv")
    found = differences(scores, PSNR_SSIM, ["rgb8"])
    assert [(d.scale, d.metric.name, d.method, d.other) for d in found] == [
        (scale, metric, MODEL, "bicubic") for metric in ("psnr", "ssim") for scale in (2, 4)
    ]
    own, base = (
        scores[(scores["method"] == method) & (scores["scale"] == 2) & (scores["protocol"] == "rgb8")]
        for method in (MODEL, "bicubic")
    )
    assert found[0].mean == pytest.approx(own["psnr"].mean() - base["psnr"].mean())
    assert len(differences(scores, PSNR_SSIM, ["luma8"])) == 2  # the model has no x4 of it
    lacking = scores.drop(scores[(scores["method"] == MODEL) & (scores["image"] == "coffee")].index)
    with pytest.raises(SrgridError, match=rf"photos x2: {MODEL} and bicubic were not .* \(coffee\)"):
        differences(lacking, PSNR_SSIM, ["rgb8"])


def test_the_tally_counts_what_is_certain_in_both_orders(run):
    scores = read_scores(run / "scores.csv")
    scores.loc[scores["method"] == MODEL, "psnr"] = scores.loc[scores["method"] == "bicubic", "psnr"].iloc[0]
    base = scores["method"] == "bicubic"
    for scale, gain in ((2, 1.0), (4, 0.0)):
        rows = (scores["scale"] == scale) & (scores["protocol"] == "rgb8")
        values = scores.loc[rows & base, "psnr"].to_numpy()
        scores.loc[rows & ~base, "psnr"] = values + gain + np.array([0.01, -0.01, 0.02, -0.02])
    counts = tally(differences(scores, PSNR_SSIM[:1], ["rgb8"]))
    assert counts[MODEL, "bicubic"] == {"better": 1, "worse": 0, "cells": 2}
    assert counts["bicubic", MODEL] == {"better": 0, "worse": 1, "cells": 2}


def test_a_run_has_them_as_a_table_and_on_the_card(run, tmp_path):
    out = tmp_path / "differences.csv"
    run_differences(run, out)
    head, *rows = out.read_text().splitlines()
    assert head == ",".join(COLUMNS)
    assert len(rows) == 2 * (2 + 1)
    assert LACKING[:2] == (MODEL, 4)
    data = gather(run)
    for text in (render_markdown(data), render_html(data)):
        assert "Differences between methods" in text
        assert "worse in 0 of 2" in text


@pytest.fixture
def other_run(tmp_path_factory):
    """The same images and methods, scored anew in another place."""
    return make_run(tmp_path_factory.mktemp("other"))


def test_columns_of_two_runs(run, other_run):
    columns = [open_scored(f"{folder}:{MODEL}") for folder in (run, other_run)]
    found, notes = compared(columns, Asked(scales=[4]))
    assert notes == []
    assert {(d.scale, d.mean, d.p) for d in found} == {(4, 0.0, 1.0)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record["hr"]["photos"].update(sha256="0" * 64), "not the same HR images of photos"),
        (lambda record: record["protocols"]["rgb8"].update(shave=0), "not the same protocol rgb8"),
        (lambda record: record["metrics"][0].update(version="2"), "not the same version of psnr"),
    ],
)
def test_runs_that_were_not_scored_alike_are_not_compared(run, other_run, change, said):
    edit_record(other_run / "tables.json", change)
    columns = [open_scored(str(run)), open_scored(f"{other_run}:{MODEL}")]
    with pytest.raises(SrgridError, match=f"{said}; score them alike, or give --anyway"):
        compared(columns, Asked())
    found, notes = compared(columns, Asked(anyway=True))
    assert found
    assert said in notes[0]


def test_a_record_of_an_earlier_version_compares_with_todays(run, other_run):
    """It names a kernel where today's records name a degradation."""
    today = json.loads((ROOT / "results/published/tables.json").read_text())["protocols"]
    earlier = {name: {"lr_kernel": "matlab", **today[name]} for name in ("rgb8", "luma8")}
    for record in earlier.values():
        del record["degradation"]
    edit_record(other_run / "tables.json", lambda record: record["protocols"].update(earlier))
    columns = [open_scored(f"{folder}:{MODEL}") for folder in (run, other_run)]
    assert compared(columns, Asked("luma8", scales=[2]))[1] == []
    edit_record(other_run / "tables.json", lambda record: record["protocols"]["luma8"].update(lr_kernel="pillow"))
    with pytest.raises(SrgridError, match="not the same protocol luma8"):
        compared([columns[0], open_scored(f"{other_run}:{MODEL}")], Asked("luma8", scales=[2]))


@pytest.mark.parametrize("name", ["scores.csv", "grid.csv", "tables.json"])
def test_the_tables_compared_are_not_written_over(run, tmp_path, name):
    shutil.copytree(run, tmp_path / "run")
    before = (tmp_path / "run" / name).read_bytes()
    columns = [f"{tmp_path / 'run'}:{method}" for method in (MODEL, "bicubic")]
    result = CliRunner().invoke(app, ["compare", *columns, "--out", str(tmp_path / "run" / name)])
    assert isinstance(result.exception, SrgridError)
    assert (tmp_path / "run" / name).read_bytes() == before


def test_scores_without_a_record_are_not_compared(run, tmp_path):
    loose = shutil.copy(run / "scores.csv", tmp_path / "scores.csv")
    columns = [open_scored(f"{run}:bicubic"), open_scored(f"{loose}:{MODEL}")]
    with pytest.raises(SrgridError, match=r"not on record \(no tables.json\); score them alike"):
        compared(columns, Asked())
    assert compared([open_scored(f"{loose}:{method}") for method in ("bicubic", MODEL)], Asked())[1] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bicubic", "lanczos", "--run", "RUN"], "has no method 'lanczos'; it has bicubic, rcan-bam-s"),
        (["bicubic", "--run", "RUN"], "give two columns or more, each once"),
        (["bicubic", "bicubic", "--run", "RUN"], "give two columns or more, each once"),
        (["bicubic", MODEL], "bicubic: no such run or scores.csv"),
        (["nowhere:bicubic", MODEL], "nowhere:bicubic: no such run"),
        (["RUN:bicubic", "RUN", "--protocol", "super-image"], "protocol super-image: not scored by each"),
        (["RUN:bicubic", "RUN", "--dataset", "Set5"], "dataset Set5: not scored; there is photos"),
        (["RUN:bicubic", "RUN", "--scale", "3"], "scale 3: not scored; there is 2, 4"),
        (["RUN:bicubic", "RUN", "--metric", "lpips"], "scored by lpips"),
    ],
)
def test_what_cannot_be_compared_is_said(run, arguments, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["compare", *(text.replace("RUN", str(run)) for text in arguments)])
    assert isinstance(result.exception, SrgridError)
    assert said in str(result.exception)


def test_edited_scores_are_refused(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    scores = tmp_path / "run/scores.csv"
    scores.write_text(scores.read_text().replace("photos,2,bicubic,rgb8,coffee,", "photos,2,bicubic,rgb8,coffee,1"))
    with pytest.raises(SrgridError, match="edited or damaged"):
        open_scored(f"{tmp_path / 'run'}:bicubic")


def test_the_docs_show_what_the_command_prints(monkeypatch):
    command, shown = re.findall(r"```(?:bash|text)\n(.*?)```", (ROOT / "docs/comparing.md").read_text(), re.S)[:2]
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.output == shown


def test_the_command_prints_and_writes(run, tmp_path):
    out = tmp_path / "d.csv"
    arguments = ["compare", MODEL, "bicubic", "--run", str(run), "--scale", "4", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    found, _ = compared([open_scored(name, run) for name in (MODEL, "bicubic")], Asked(scales=[4]))
    assert result.output.splitlines() == lines(found)
    assert result.output.startswith("PSNR (dB) under rgb8.")
    assert f"{MODEL} minus bicubic" in result.output
    assert [row.split(",")[3] for row in out.read_text().splitlines()[1:]] == ["psnr", "ssim"]
