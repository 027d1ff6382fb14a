"""Which images and crops are shown, and the figures and previews made of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from run_dir import MODEL, draw
from skimage import data

from srgrid import images
from srgrid.errors import SrgridError
from srgrid.metrics import Score
from srgrid.report.choose import choose_crop, choose_images
from srgrid.report.figures import compare_figure
from srgrid.report.previews import view_around
from srgrid.report.tables import read_scores


def scores(gains: dict[str, float]) -> pd.DataFrame:
    rows = [("D", 2, "bicubic", "rgb8", name, 30.0, 0.8) for name in gains]
    rows += [("D", 2, "m", "rgb8", name, 30.0 + gain, 0.9) for name, gain in gains.items()]
    return pd.DataFrame(rows, columns=["dataset", "scale", "method", "protocol", "image", "psnr", "ssim"])


def test_largest_gain_median_and_largest_loss_are_chosen() -> None:
    table = scores({"a": 0.5, "b": 2.0, "c": -1.0, "d": 1.0, "e": 0.1})
    chosen = choose_images(table, "D", 2, "rgb8")
    assert [(c.role, c.image, round(c.value, 6)) for c in chosen] == [
        ("largest gain", "b", 2.0),
        ("median", "a", 0.5),
        ("largest loss", "c", -1.0),
    ]
    assert [c.image for c in choose_images(table, "D", 2, "rgb8", count=5)] == ["b", "a", "c", "d", "e"]


def test_a_gain_everywhere_is_not_called_a_loss_and_one_image_comes_once() -> None:
    assert choose_images(scores({"a": 0.5, "b": 2.0, "c": 1.0}), "D", 2, "rgb8")[-1].role == "smallest gain"
    assert [c.image for c in choose_images(scores({"a": 0.5}), "D", 2, "rgb8")] == ["a"]


def test_bicubic_alone_is_ranked_by_its_own_psnr() -> None:
    table = scores({"a": 0.0})
    table = table[table["method"] == "bicubic"]
    assert choose_images(table, "D", 2, "rgb8")[0].role == "highest PSNR"


def test_unknown_cell_is_refused() -> None:
    with pytest.raises(SrgridError, match="no scores of any method on X x2 under rgb8"):
        choose_images(scores({"a": 0.5}), "X", 2, "rgb8")


def test_the_crop_lies_where_the_methods_differ_most() -> None:
    one = data.chelsea().astype(np.uint8)
    other = one.copy()
    other[150:170, 301:331] = 255 - other[150:170, 301:331]
    assert choose_crop({"a": one, "b": other}, (30, 20)) == (301, 150, 30, 20)
    x, y, w, h = choose_crop({"a": one, "b": one}, (30, 20), margin=4)
    assert (x, y, w, h) == (4, 4, 30, 20)
    assert choose_crop({"a": one[:10, :12], "b": other[:10, :12]}, (30, 20)) == (0, 0, 12, 10)


@pytest.mark.parametrize(
    ("crop", "view"), [((0, 0, 64, 64), (0, 0)), ((400, 10, 64, 64), (192, 0)), ((200, 200, 64, 64), (72, 72))]
)
def test_the_view_holds_the_crop_and_stays_inside(crop: tuple[int, int, int, int], view: tuple[int, int]) -> None:
    assert view_around(crop, 512, 512) == (*view, 320, 320)


@pytest.mark.parametrize("methods", [1, 2, 5])
def test_figure_is_300_dpi_vector_and_the_same_twice(tmp_path: Path, methods: int) -> None:
    hr = data.coffee()[:200, :300]
    srs = {f"m{k}_$x$": np.clip(hr.astype(int) + 8 * k, 0, 255).astype(np.uint8) for k in range(methods)}
    values = {name: Score(30.0 + k, 0.8) for k, name in enumerate(srs)} | {"m0_$x$": Score(float("inf"), 1.0)}
    outs = []
    for turn in ("one", "two"):
        png, pdf = tmp_path / f"{turn}.png", tmp_path / f"{turn}.pdf"
        crop = compare_figure("coffee", hr, srs, values, out_png=png, out_pdf=pdf)
        assert 0 <= crop[0] <= 300 - crop[2]
        outs.append((png.read_bytes(), pdf.read_bytes()))
    assert outs[0] == outs[1]
    with Image.open(tmp_path / "one.png") as image:
        assert image.width == 2100
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert outs[0][1].startswith(b"%PDF")
    assert b"CreationDate" not in outs[0][1]


def test_figure_refuses_sizes_that_differ_and_crops_outside(tmp_path: Path) -> None:
    hr = data.coffee()[:100, :100]
    files = {"out_png": tmp_path / "f.png", "out_pdf": tmp_path / "f.pdf"}
    with pytest.raises(SrgridError, match="m is 90 x 100 pixels, HR 100 x 100"):
        compare_figure("coffee", hr, {"m": hr[:, :90]}, {}, **files)
    with pytest.raises(SrgridError, match="leaves coffee of 100 x 100"):
        compare_figure("coffee", hr, {"m": hr}, {}, (90, 0, 20, 20), **files)
    assert not list(tmp_path.iterdir())


def test_a_run_writes_down_its_choice_and_repeats_byte_for_byte(run: Path) -> None:
    record = json.loads((run / "figures" / "x2.json").read_text())
    table = read_scores(run / "scores.csv").query("scale == 2 and protocol == 'rgb8'")
    wide = table.pivot(index="image", columns="method", values="psnr")
    gain = wide[MODEL] - wide["bicubic"]
    assert record["images"][0]["image"] == gain.idxmax()
    assert record["images"][-1] == record["images"][-1] | {"image": "camera", "role": "largest loss"}
    before = {path: path.read_bytes() for path in sorted(run.glob("*/*x2*")) if path.is_file()}
    before |= {path: path.read_bytes() for path in sorted((run / "previews" / "x2").iterdir())}
    draw(run, "photos", 2)
    assert {path: path.read_bytes() for path in before} == before


def test_missing_sr_image_is_named(run: Path, tmp_path: Path) -> None:
    from srgrid.report.sources import load_pair, open_folders

    images.write(tmp_path / "other" / "coffee.png", data.coffee())
    with pytest.raises(SrgridError, match=r"other has no image astronaut"):
        load_pair(*open_folders(run / "HR", {"bicubic": tmp_path / "other"}), "astronaut")
