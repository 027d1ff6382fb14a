"""Score files -> scores.csv -> grid.csv -> intervals and exports."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_dir import record_tables

from srgrid.errors import SrgridError
from srgrid.report.grid import collect, grid, wide
from srgrid.report.intervals import bootstrap_mean, intervals
from srgrid.report.textable import latex, tex_text

HEADER = "dataset,scale,method,protocol,image,psnr,ssim\n"
ORDER = {
    "dataset": ["Set5", "Set14"],
    "scale": [2, 4],
    "method": ["bicubic", "rcan"],
    "protocol": ["rgb8", "luma8"],
}


def part(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(row + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    return [
        part(tmp_path / "c.csv", "Set14,4,rcan,rgb8,baboon,20.5,0.5"),
        part(tmp_path / "d.csv", "Set14,4,bicubic,rgb8,baboon,20.25,0.45"),
        part(tmp_path / "a.csv", "Set5,2,rcan,rgb8,baby,35,0.95", "Set5,2,rcan,rgb8,bird,inf,1"),
        part(tmp_path / "b.csv", "Set5,2,bicubic,rgb8,baby,33,0.9", "Set5,2,bicubic,rgb8,bird,31,0.8"),
    ]


def test_collect_follows_the_config_whatever_the_order_of_the_files(parts: list[Path], tmp_path: Path) -> None:
    out, again = tmp_path / "scores.csv", tmp_path / "again.csv"
    collect(parts, out, ORDER)
    collect(parts[::-1], again, ORDER)
    assert out.read_bytes() == again.read_bytes()
    assert out.read_text().splitlines()[1:] == [
        "Set5,2,bicubic,rgb8,baby,33.000000,0.90000000",
        "Set5,2,bicubic,rgb8,bird,31.000000,0.80000000",
        "Set5,2,rcan,rgb8,baby,35.000000,0.95000000",
        "Set5,2,rcan,rgb8,bird,inf,1.00000000",
        "Set14,4,bicubic,rgb8,baboon,20.250000,0.45000000",
        "Set14,4,rcan,rgb8,baboon,20.500000,0.50000000",
    ]


def test_grid_is_the_mean_over_images(parts: list[Path], tmp_path: Path) -> None:
    collect(parts, tmp_path / "scores.csv", ORDER)
    grid(tmp_path / "scores.csv", tmp_path / "grid.csv")
    assert (tmp_path / "grid.csv").read_text().splitlines() == [
        "dataset,scale,method,protocol,psnr,ssim,images",
        "Set5,2,bicubic,rgb8,32.000000,0.85000000,2",
        "Set5,2,rcan,rgb8,inf,0.97500000,2",
        "Set14,4,bicubic,rgb8,20.250000,0.45000000,1",
        "Set14,4,rcan,rgb8,20.500000,0.50000000,1",
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["Set5,2,bicubic,rgb8,baby,33,0.9", "Set5,2,bicubic,rgb8,baby,33,0.9"], "baby is there twice"),
        (["Set5,2,bicubic,rgb8,baby,,0.9"], "psnr is '', not PSNR in dB, 0 or more or inf"),
        (["Set5,2,bicubic,rgb8,baby,nan,0.9"], "psnr is 'nan', not PSNR in dB"),
        (["Set6,2,bicubic,rgb8,baby,33,0.9"], "the dataset 'Set6', which the config does not name"),
        (["Set5,2,bicubic,rgb8,baby,33,0.9", "Set5,2,rcan,rgb8,bird,33,0.9"], "no bicubic score under rgb8 for bird"),
    ],
)
def test_collect_refuses(rows: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(SrgridError) as error:
        collect([part(tmp_path / "x.csv", *rows)], tmp_path / "scores.csv", ORDER)
    assert message in str(error.value)
    assert not (tmp_path / "scores.csv").exists()


def test_collect_names_both_files_that_score_an_image(tmp_path: Path) -> None:
    one = part(tmp_path / "one.csv", "Set5,2,bicubic,rgb8,baby,33,0.9")
    two = part(tmp_path / "two.csv", "Set5,2,bicubic,rgb8,baby,34,0.9")
    with pytest.raises(SrgridError, match=r"scored twice \(.*one\.csv, .*two\.csv\)"):
        collect([one, two], tmp_path / "scores.csv", ORDER)


def test_missing_column_and_missing_file_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("dataset,scale\nSet5,2\n")
    with pytest.raises(SrgridError, match=r"bad\.csv has no column method"):
        collect([bad], tmp_path / "scores.csv", ORDER)
    with pytest.raises(SrgridError, match=r"absent\.csv does not exist"):
        grid(tmp_path / "absent.csv", tmp_path / "grid.csv")


def test_bootstrap_matches_the_normal_interval_on_many_values() -> None:
    values = np.random.default_rng(1).normal(30.0, 2.0, 400)
    mean, low, high = bootstrap_mean(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert mean == values.mean()
    assert low == pytest.approx(mean - half, abs=0.03)
    assert high == pytest.approx(mean + half, abs=0.03)
    assert bootstrap_mean(values) == (mean, low, high)


def test_bootstrap_of_equal_one_and_infinite_values() -> None:
    assert bootstrap_mean(np.full(4, 2.5)) == (2.5, 2.5, 2.5)
    assert np.isnan(bootstrap_mean(np.array([3.0]))[1:]).all()
    assert np.isnan(bootstrap_mean(np.array([3.0, np.inf]))[1:]).all()


def test_paired_interval_is_narrower_than_the_difference_of_means_would_be(tmp_path: Path) -> None:
    base = np.random.default_rng(2).normal(28, 4, 50)
    gain = np.random.default_rng(3).normal(1.0, 0.1, 50)
    rows = [f"Set5,2,bicubic,rgb8,i{k},{v:.6f},0.8" for k, v in enumerate(base)]
    rows += [f"Set5,2,rcan,rgb8,i{k},{v:.6f},0.9" for k, v in reversed(list(enumerate(base + gain)))]
    intervals(part(tmp_path / "s.csv", *rows), tmp_path / "i.csv")
    table = pd.read_csv(tmp_path / "i.csv").set_index("method")
    paired = table.loc["rcan"]
    assert paired["psnr_gain"] == pytest.approx(gain.mean(), abs=1e-5)
    assert paired["psnr_gain_high"] - paired["psnr_gain_low"] < 0.1
    assert paired["psnr_high"] - paired["psnr_low"] > 1
    assert paired["ssim_gain_low"] == pytest.approx(0.1)
    assert np.isnan(table.loc["bicubic", "psnr_gain"])


def test_intervals_say_why_one_is_missing(parts: list[Path], tmp_path: Path) -> None:
    collect(parts, tmp_path / "scores.csv", ORDER)
    intervals(tmp_path / "scores.csv", tmp_path / "i.csv")
    notes = pd.read_csv(tmp_path / "i.csv", keep_default_na=False)["note"].tolist()
    assert notes[0] == ""
    assert "infinite" in notes[1]
    assert notes[2:] == ["one image: no interval"] * 2
    first = (tmp_path / "i.csv").read_bytes()
    intervals(tmp_path / "scores.csv", tmp_path / "i.csv")
    assert (tmp_path / "i.csv").read_bytes() == first


def test_exports(parts: list[Path], tmp_path: Path) -> None:
    collect(parts[1:], tmp_path / "scores.csv", ORDER)
    grid(tmp_path / "scores.csv", tmp_path / "grid.csv")
    record_tables(tmp_path)
    wide(tmp_path / "grid.csv", tmp_path / "wide.csv")
    assert (tmp_path / "wide.csv").read_text().splitlines() == [
        "dataset,scale,protocol,images,bicubic psnr,bicubic ssim,rcan psnr,rcan ssim",
        "Set5,2,rgb8,2,32.000000,0.85000000,inf,0.97500000",
        "Set14,4,rgb8,1,20.250000,0.45000000,missing,missing",
    ]
    latex(tmp_path / "grid.csv", tmp_path / "grid.tex")
    text = (tmp_path / "grid.tex").read_text()
    assert r"Set5 & $\times2$ & 32.00/0.8500 & \textbf{$\infty$}/\textbf{0.9750} \\" in text
    assert r"Set14 & $\times4$ & 20.25/0.4500 & missing \\" in text
    with pytest.raises(SrgridError, match="no protocol 'ycbcr'"):
        latex(tmp_path / "grid.csv", tmp_path / "grid.tex", "ycbcr")


def test_latex_text_is_escaped() -> None:
    assert tex_text(r"a_b & 5% \x") == r"a\_b \& 5\% \textbackslash{}x"
