"""A finished run opened in Python: tables, differences, pictures; and scores of images as a table."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data

import srgrid
from srgrid import images
from srgrid.metrics import score

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def run():
    return srgrid.open_run(ROOT / "results/published")


def test_importing_the_package_loads_nothing_heavy():
    script = "import srgrid, sys; print(sorted({'numpy', 'pandas', 'PIL', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_tables_are_those_of_the_folder(run):
    for name in ("grid", "scores", "intervals"):
        own = pd.read_csv(ROOT / f"results/published/{name}.csv")
        found = getattr(run, name)
        assert list(found.columns) == list(own.columns)
        assert len(found) == len(own) > 0
        assert found["psnr"].to_numpy(float) == pytest.approx(own["psnr"].to_numpy(float))


def test_the_wide_grid_prints_what_the_card_prints(run):
    assert run.wide("luma8").loc[("Set5", 4), "bicubic"] == "28.42 / 0.8101"
    assert run.wide().index[0] == ("Set5", 2)
    assert "33.67 / 0.9303" in run._repr_html_()
    with pytest.raises(srgrid.SrgridError, match="no protocol 'rgb9'; it has rgb8"):
        run.wide("rgb9")


def test_differences_are_those_of_the_command(run):
    table = run.differences("rcan-s", "rcan-bam-s")
    written = pd.read_csv(ROOT / "results/published/differences.csv")
    written = written[(written["method"] == "rcan-s") & (written["other"] == "rcan-bam-s")]
    cells, numbers = ["dataset", "scale", "protocol", "metric"], ["difference", "low", "high"]
    written, own = (one.set_index(cells)[numbers].sort_index() for one in (written, table))
    assert len(own) == 26
    pd.testing.assert_frame_equal(own, written.loc[own.index], atol=1e-6)
    other = run.differences("rcan-bam-s", "rcan-s")
    np.testing.assert_allclose(other["difference"], -table["difference"])
    with pytest.raises(srgrid.SrgridError, match="no method 'edsr'; it has bicubic"):
        run.differences("edsr", "bicubic")


def test_pictures(run, tmp_path):
    picture = run.compare("rcan-bam-s", "rcan-s")
    assert isinstance(picture, Image.Image)
    blue = (np.asarray(picture).astype(int) - (0, 114, 178)).__abs__().sum(axis=2) < 30
    assert blue.sum() > 50  # certain differences
    sample = srgrid.open_run(ROOT / "results/sample")
    record = next((ROOT / "results/sample/figures").glob("*_x4.png"))
    np.testing.assert_array_equal(np.asarray(sample.figure("sample", 4)), np.asarray(Image.open(record)))
    with pytest.raises(srgrid.SrgridError, match="no figure of Set5 x3"):
        sample.figure("Set5", 3)
    shutil.copytree(ROOT / "results/sample", tmp_path / "run")
    Image.new("RGB", (9, 9)).save(tmp_path / "run/figures" / record.name)
    with pytest.raises(srgrid.SrgridError, match="edited or damaged"):
        srgrid.open_run(tmp_path / "run").figure(scale=4)


def test_an_edited_table_is_refused(tmp_path):
    shutil.copytree(ROOT / "results/sample", tmp_path / "run")
    (tmp_path / "run/grid.csv").write_text((tmp_path / "run/grid.csv").read_text().replace("27.", "28.", 1))
    with pytest.raises(srgrid.SrgridError, match=r"grid\.csv: edited or damaged"):
        srgrid.open_run(tmp_path / "run")


def test_scores_of_folders_and_files_are_a_table(tmp_path):
    hr, sr = data.chelsea()[:48, :56], np.clip(data.chelsea()[:48, :56] + 4.0, 0, 255).astype(np.uint8)
    images.write(tmp_path / "HR/chelsea.png", hr)
    images.write(tmp_path / "SR/chelsea_x4.png", sr)
    table = srgrid.score_dirs(tmp_path / "SR", tmp_path / "HR", 4, "luma8")
    assert list(table.columns) == ["image", "psnr", "ssim"]
    assert tuple(table.iloc[0]) == ("chelsea", *score(sr, hr, 4, "luma8"))
    pd.testing.assert_frame_equal(
        table, srgrid.score_dirs(tmp_path / "SR/chelsea_x4.png", str(tmp_path / "HR/chelsea.png"), 4, "luma8")
    )
