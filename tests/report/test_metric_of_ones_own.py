"""A metric is one record: a toy one, from outside, reaches every table, the figure, the card and the page."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from run_dir import MODEL, edit_record, make_run, score_cell
from toy_metric import MAE

from srgrid import images
from srgrid.errors import SrgridError
from srgrid.metrics import METRICS, get_metrics, measure
from srgrid.metrics.table import from_records, to_records
from srgrid.plan import require
from srgrid.records import tables_record
from srgrid.report.audit import write_audit
from srgrid.report.card import build_card
from srgrid.report.cells import check_agreement, read_cells
from srgrid.report.figures import choice_text
from srgrid.report.grid import make_grid, wide
from srgrid.report.tables import recorded_metrics
from srgrid.report.textable import latex

HERE = Path(__file__).parent
OWN = "toy_metric:MAE"


@pytest.fixture(scope="module")
def third(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose third metric is the toy, with its card and exports."""
    run = make_run(tmp_path_factory.mktemp("third"), scales=(2,), metrics=get_metrics(["psnr", "ssim", OWN]))
    build_card(run)
    latex(run / "grid.csv", run / "grid.tex")
    wide(run / "grid.csv", run / "grid_wide.csv")
    return run


@pytest.fixture(scope="module")
def headline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose headline is the toy; SSIM is not there at all."""
    run = make_run(tmp_path_factory.mktemp("headline"), scales=(2,), metrics=get_metrics([OWN, "psnr"]))
    build_card(run)
    return run


def test_its_columns_are_in_every_table(third: Path) -> None:
    scores, grid, ends = (pd.read_csv(third / f"{name}.csv") for name in ("scores", "grid", "intervals"))
    assert list(scores) == ["dataset", "scale", "method", "protocol", "image", "psnr", "ssim", "mae"]
    assert list(grid) == ["dataset", "scale", "method", "protocol", "psnr", "ssim", "mae", "images"]
    assert [name for name in ends if name.startswith("mae")] == [
        f"mae{what}{end}" for what in ("", "_gain") for end in ("", "_low", "_high")
    ]
    row = scores[(scores["method"] == MODEL) & (scores["image"] == "coffee") & (scores["protocol"] == "rgb8")]
    sr, hr = images.read(third / f"SR/{MODEL}/x2/coffee.png"), images.read(third / "HR/coffee.png")
    apart = np.abs(sr.astype(float) - hr)[2:-2, 2:-2].mean()
    assert row["mae"].iloc[0] == pytest.approx(apart, abs=5e-6)
    model = ends[(ends["method"] == MODEL) & (ends["protocol"] == "rgb8")].iloc[0]
    means = grid.set_index(["method", "protocol"])["mae"]
    assert model["mae_gain"] == pytest.approx(means[MODEL, "rgb8"] - means["bicubic", "rgb8"], abs=2e-5)
    assert model["mae_gain"] < 0  # an improvement, as it is stored
    assert "bicubic mae" in (third / "grid_wide.csv").read_text().splitlines()[0]


def test_the_lowest_value_is_the_best_on_card_page_and_in_latex(third: Path) -> None:
    grid = pd.read_csv(third / "grid.csv").set_index(["method", "protocol"])["mae"]
    best, other = f"{grid[MODEL, 'rgb8']:.3f}", f"{grid['bicubic', 'rgb8']:.3f}"
    assert float(best) < float(other)
    card = (third / "model_card.md").read_text()
    assert f"/**{best}** [" in card
    assert f"/{other} [" in card
    assert "PSNR (dB) / SSIM on luma / MAE (levels, lower is better) on RGB. The best of a row is in **bold**." in card
    page = (third / "model_card.html").read_text()
    assert f"/ <b>{best}</b></span>" in page
    assert f"/ {other}</span>" in page
    assert "PSNR in dB / SSIM on luma / MAE in levels (lower is better) on RGB" in page
    tex = (third / "grid.tex").read_text()
    assert rf"/\textbf{{{best}}}" in tex
    assert "PSNR (dB) / SSIM / MAE (levels, lower is better) under the rgb8 protocol" in tex


def test_model_index_and_page_take_the_list(third: Path) -> None:
    front = yaml.safe_load((third / "model_card.md").read_text().split("---\n")[1])
    assert front["metrics"] == ["psnr", "ssim", "mae"]
    result = front["model-index"][0]["results"][0]["metrics"]
    assert [(entry["type"], entry["name"]) for entry in result][-1] == ("mae", "MAE (rgb8)")
    data = json.loads(re.search(r'id="data">(.*?)</script>', (third / "model_card.html").read_text())[1])
    assert [metric["sign"] for metric in data["metrics"]] == [1, 1, -1]
    assert all(len(cell["mae"]) == 4 and len(cell["mae_ci"]) == 3 for cell in data["cells"])


def test_as_the_headline_it_ranks_the_images_and_gives_the_gains(headline: Path) -> None:
    record = json.loads((headline / "figures/x2.json").read_text())
    assert [(entry["role"], entry["value_db"] < 0) for entry in record["images"]] == [
        ("largest gain", True), ("median", True), ("largest loss", False)
    ]  # fmt: skip
    card = (headline / "model_card.md").read_text()
    assert f"| gain of {MODEL}, levels |" in card
    assert "By MAE lower is better: a negative gain is an improvement." in card
    page = (headline / "model_card.html").read_text()
    assert f'<option value="m-1:1">{MODEL}, best first</option>' in page
    assert "MAE gain over bicubic in levels of the best method under rgb8" in page
    assert re.search(r'<td style="background: rgba\(var\(--heat\), 0\.(?!00)\d\d\)"><button [^>]*>-\d\.\d{3}<', page)


def test_what_an_image_is_shown_for_is_said_in_its_unit() -> None:
    from srgrid.report.choose import Choice

    assert choice_text(Choice("largest gain", "a", -1.25, "m"), MAE) == "largest gain, -1.250 levels over bicubic (m)"
    assert choice_text(Choice("lowest MAE", "a", 1.25, "m"), MAE) == "lowest MAE, 1.250 levels (m)"


def test_the_command_line_takes_its_module_and_name(third: Path, tmp_path: Path) -> None:
    words = ["score", third / "SR/bicubic/x2", third / "HR", "--scale", "2", "--metrics", f"psnr,{OWN}"]
    done = subprocess.run(
        [sys.executable, "-m", "srgrid", *map(str, words), "--out", str(tmp_path / "s.csv")],
        check=False, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "s.csv").read_text().startswith("image,psnr,mae\nastronaut,")
    assert re.search(r"^mean +\d+\.\d{4} dB +\d\.\d{5} levels$", done.stdout, re.MULTILINE)


def test_tables_are_read_by_what_their_record_says_of_the_metrics(third: Path) -> None:
    held = recorded_metrics(third / "grid.csv")
    assert to_records(held) == to_records(get_metrics(["psnr", "ssim", OWN]))
    grey = np.zeros((24, 24), np.uint8)
    with pytest.raises(SrgridError, match="read from a run's tables"):
        measure(grey, grey, 2, "rgb8", held)


def test_cells_of_other_metrics_or_versions_do_not_go_together(third: Path, tmp_path: Path) -> None:
    parts = sorted((third / "scores/rgb8").glob("*.csv"))
    (tmp_path / "HR").symlink_to(third / "HR")
    (tmp_path / "SR").symlink_to(third / "SR")
    for metrics, words in (
        (get_metrics(["psnr", "ssim"]), r"holds psnr \(version 1\), ssim \(version 1\), mae \(version 1\), .* psnr"),
        (get_metrics(["ssim", "psnr", OWN]), "score all of them by the same metrics"),
        ([*get_metrics(["psnr", "ssim"]), replace(MAE, version="2")], r"mae \(version 2\)"),
    ):
        other = score_cell(tmp_path, "photos", "bicubic", 2, "luma8", metrics)
        with pytest.raises(SrgridError, match=words):
            make_grid([*parts, other], tmp_path / "out")
        with pytest.raises(SrgridError, match="the grid holds psnr"):
            check_agreement(read_cells([other]), tables_record(third))
    assert not (tmp_path / "out").exists()


def test_an_audit_asks_for_what_was_published(headline: Path) -> None:
    with pytest.raises(SrgridError, match=r"audit: the run was not scored by ssim"):
        write_audit(headline, [])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["psnr", "lpips"], "unknown metric 'lpips'; choose of psnr, ssim"),
        (["nowhere_at_all:X"], "cannot be imported"),
        (["toy_metric:Pair"], "is no srgrid.metrics.Metric"),
        (["toy_metric:"], "cannot be imported"),
        (["psnr", OWN, OWN], "each once"),
        ([], "at least one"),
    ],
)
def test_names_of_no_metric_are_refused(names: list[str], words: str) -> None:
    with pytest.raises(SrgridError, match=re.escape(words)):
        get_metrics(names)


def test_planning_names_the_key(tmp_path: Path) -> None:
    config = yaml.safe_load((HERE.parents[1] / "config.yaml").read_text())
    config |= {"metrics": ["psnr", "lpips"], "weights": {"rcan-bam": "models/rcan-bam-s_x{scale}.safetensors"}}
    with pytest.raises(SrgridError) as error:
        require(config, {}, None, ["rcan-bam"], HERE.parents[1])
    assert "metrics: unknown metric 'lpips'" in str(error.value)
    assert "audit: published values are PSNR and SSIM; add ssim to `metrics`, or set `audit: false`" in str(error.value)


@pytest.mark.parametrize("name", ["image", "MAE", "m_a_e", ""])
def test_a_name_that_would_break_a_table_is_refused(name: str) -> None:
    with pytest.raises(SrgridError, match="choose another name"):
        replace(MAE, name=name)


@pytest.mark.parametrize("value", [-1.0, 256.0, float("nan"), float("inf")])
def test_a_value_that_its_record_does_not_allow_is_refused(value: float) -> None:
    grey = np.zeros((24, 24), np.uint8)
    with pytest.raises(SrgridError, match=r"metric mae: .* is not within 0 to 255"):
        measure(grey, grey, 2, "rgb8", [replace(MAE, function=lambda pair: value)])


def test_a_damaged_record_of_metrics_is_refused(third: Path, tmp_path: Path) -> None:
    assert [metric.name for metric in from_records(to_records([METRICS["ssim"], MAE]))] == ["ssim", "mae"]
    for name in ("tables.json", "grid.csv"):
        (tmp_path / name).write_bytes((third / name).read_bytes())
    edit_record(tmp_path / "tables.json", lambda record: record["metrics"][2].update(name="image"))
    with pytest.raises(SrgridError, match=r"tables\.json: metrics\.2\.name: "):
        recorded_metrics(tmp_path / "grid.csv")
