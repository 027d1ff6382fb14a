"""Which images and crops are shown, and the figures and previews made of them."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from run_dir import MODEL, draw
from skimage import data

from srgrid import images
from srgrid.errors import SrgridError
from srgrid.metrics import METRICS
from srgrid.records import read_record
from srgrid.report.cardata import gather
from srgrid.report.choose import choose_crop, choose_images
from srgrid.report.figures import Panel, draw_panels, draw_rows
from srgrid.report.previews import view_around
from srgrid.report.selection import Wanted, select
from srgrid.report.sources import CellImages, load_pair, open_cell, open_folders
from srgrid.report.tables import best_methods, read_scores


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


@pytest.mark.parametrize(
    ("crop", "size", "view"),
    [
        ((200, 200, 64, 64), (1020, 512), (152, 152, 160, 160)),
        ((0, 150, 64, 64), (256, 256), (0, 118, 128, 128)),  # Set5's butterfly is so small
        ((10, 20, 200, 90), (300, 400), (10, 0, 200, 160)),  # a crop that the config asks for
    ],
)
def test_of_an_image_that_may_not_be_passed_on_the_page_has_a_quarter_at_most(crop, size, view) -> None:  # type: ignore[no-untyped-def]
    assert view_around(crop, *size, whole=False) == view


@pytest.mark.parametrize("methods", [1, 2, 5])
def test_figure_is_300_dpi_vector_and_the_same_twice(tmp_path: Path, methods: int) -> None:
    hr = data.coffee()[:200, :300]
    srs = {f"m{k}_$x$": np.clip(hr.astype(int) + 8 * k, 0, 255).astype(np.uint8) for k in range(methods)}
    texts, crop = {name: f"{30 + k}.00 / 0.8000" for k, name in enumerate(srs)}, choose_crop(srs, (44, 44), margin=4)
    outs = []
    for turn in ("one", "two"):
        png, pdf = tmp_path / f"{turn}.png", tmp_path / f"{turn}.pdf"
        draw_panels([Panel("coffee", "coffee", hr, srs, crop, texts, ["m0_$x$"])], png, pdf)
        outs.append((png.read_bytes(), pdf.read_bytes()))
    assert outs[0] == outs[1]
    with Image.open(tmp_path / "one.png") as image:
        assert image.width == 2100
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert outs[0][1].startswith(b"%PDF")
    assert b"CreationDate" not in outs[0][1]


def test_sizes_that_differ_and_crops_outside_are_refused(run: Path, tmp_path: Path) -> None:
    hr, small = data.coffee()[:100, :100], data.coffee()[:100, :90]
    for folder, image in (("hr", hr), ("a", hr), ("b", small), ("large", data.coffee())):
        images.write(tmp_path / folder / "coffee.png", image)
    for methods, message in ((("a", "b"), "different sizes"), (("large",), "100 x 100 pixels, smaller than its SR")):
        with pytest.raises(SrgridError, match=message):
            load_pair(*open_folders(tmp_path / "hr", {name: tmp_path / name for name in methods}), "coffee")
    with pytest.raises(SrgridError, match="leaves coffee of 144 x 132"):
        select(cell_of(run), Wanted(show={"coffee": (140, 0, 20, 20)}))
    with pytest.raises(SrgridError, match=r"x2: no SR folders"):
        open_cell(run / "scores.csv", run / "HR", {}, dataset="photos", scale=2, protocol="rgb8")


def cell_of(run: Path, *methods: str) -> CellImages:
    srs = {method: run / "SR" / method / "x2" for method in methods or ("bicubic", MODEL)}
    return open_cell(run / "scores.csv", run / "HR", srs, dataset="photos", scale=2, protocol="rgb8")


def test_the_best_is_bold_where_there_are_several() -> None:
    assert best_methods(METRICS["psnr"], {"a": 30.0, "b": float("inf"), "c": 31.0}) == {"b"}
    assert best_methods(METRICS["psnr"], {"a": 31.0, "b": 31.0}) == {"a", "b"}
    assert best_methods(METRICS["psnr"], {"a": 31.0}) == set()


def test_figure_and_compare_view_draw_one_selection(run: Path, tmp_path: Path) -> None:
    """A crop that a run asks for reaches both; the compare view goes on with what the scores choose."""
    copy = shutil.copytree(run, tmp_path / "copy")
    draw(copy, "photos", 2, Wanted(count=3, crop_side=40, show={"coffee": (20, 30, 40, 50), "chelsea": None}))
    assert read_record(copy / "figures/x2.selection.json", "selection", "")
    selection = json.loads((copy / "figures/x2.selection.json").read_text())
    figure = read_record(copy / "figures/x2.json", "figure", "")
    page = read_record(copy / "previews/x2/previews.json", "previews", "")
    assert selection["figure"] == ["coffee", "chelsea"]
    assert selection["compare"] == ["coffee", "chelsea", "astronaut"]
    assert [image["image"] for image in page["images"]] == selection["compare"]
    shown = {image["image"]: image for image in selection["images"]}
    for image in (*figure["images"], *page["images"]):
        assert image.items() >= shown[image["image"]].items()
    assert [shown["coffee"]["crop"], shown["coffee"]["crop_rule"]] == [[20, 30, 40, 50], "named in the config"]
    assert shown["chelsea"]["crop"][2:] == [40, 40]
    assert figure["selection_sha256"] == page["selection_sha256"] == selection["record_sha256"]
    loaded = {record["scale"]: record for record in gather(copy).previews}
    assert loaded[2]["images"][0]["crop"] == [20, 30, 40, 50]


def test_a_selection_of_a_run_that_names_nothing(run: Path) -> None:
    found = select(cell_of(run), Wanted(count=1))
    assert [shown.choice.role for shown in found.figure] == ["largest gain", "median", "largest loss"]
    assert [shown.choice.image for shown in found.compare] == [found.figure[0].choice.image]
    assert select(cell_of(run)).record() == select(cell_of(run), Wanted()).record()


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
    images.write(tmp_path / "other" / "coffee.png", data.coffee())
    with pytest.raises(SrgridError, match=r"other has no image astronaut"):
        load_pair(*open_folders(run / "HR", {"bicubic": tmp_path / "other"}), "astronaut")


def _panel(name: str) -> Panel:
    hr = data.coffee()[60:260, 80:380]
    srs = {"bicubic": 255 - hr, "net": hr}
    return Panel(name, name, hr, srs, (40, 30, 80, 60), {"bicubic": "27.29 / 0.7648", "net": "29.17 / 0.8226"}, ["net"])


@pytest.mark.parametrize("width", [88, 178])
def test_a_papers_figure_is_a_row_of_crops_for_each_image_so_many_millimetres_wide(width: int, tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw_rows([_panel("coffee"), _panel("again")], tmp_path / f"{name}.png", tmp_path / f"{name}.pdf", width)
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert pdf == (tmp_path / "b.pdf").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf)
    assert box
    assert float(box[1]) == pytest.approx(width / 25.4 * 72, abs=0.1)
    drawn = images.read(tmp_path / "a.png")
    assert drawn.shape[1] == pytest.approx(width / 25.4 * 300, abs=1)
    crops = drawn.std(axis=2) > 8  # colour, which text has not
    thirds = [part.mean() for part in np.array_split(crops, 3, axis=1)]
    assert min(thirds) > 0.3
    rows = crops.mean(axis=1) > 0.3
    assert np.count_nonzero(np.diff(rows.astype(int)) == 1) == 2


def test_a_papers_figure_too_narrow_for_its_methods_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SrgridError, match="20 mm are too narrow for 3 crops"):
        draw_rows([_panel("coffee")], tmp_path / "a.png", tmp_path / "a.pdf", 20)
    assert not list(tmp_path.iterdir())


def test_fonts_are_in_the_pdf_and_the_frame_is_seen_by_all(tmp_path: Path) -> None:
    draw_panels([_panel("coffee")], tmp_path / "a.png", tmp_path / "a.pdf")
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert pdf.count(b"/Type /FontDescriptor") == pdf.count(b"/FontFile2 ") > 0
    drawn = images.read(tmp_path / "a.png").astype(int)
    yellow, black = ((abs(drawn - colour).sum(axis=2) < 40).sum() for colour in ((255, 212, 0), (0, 0, 0)))
    assert yellow > 300
    assert black > 300
    title = drawn[: int(0.2 * 300), :].min(axis=2) < 128
    assert np.flatnonzero(title.any(axis=0))[0] >= 0.04 * 300 - 1


@pytest.mark.parametrize("corner", [(0, 0), (220, 0), (0, 140), (220, 140)])
def test_a_frame_at_the_border_is_whole(corner: tuple[int, int], tmp_path: Path) -> None:
    panel = replace(_panel("coffee"), hr=np.full((200, 300, 3), 128, np.uint8), srs={"net": np.zeros((200, 300, 3))})

    def lines(x: int, y: int) -> list[int]:
        """Widths in dots of all four yellow sides, through the crop's middle."""
        draw_panels([replace(panel, crop=(x, y, 80, 60))], tmp_path / "a.png", tmp_path / "a.pdf")
        drawn = images.read(tmp_path / "a.png").astype(int)
        yellow = abs(drawn - (255, 212, 0)).sum(axis=2) < 40
        rows, columns = np.nonzero(yellow)
        middle, centre = (rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2
        sides = np.split(yellow[middle], [centre]) + np.split(yellow[:, centre], [middle])
        return [int(side.sum()) for side in sides]

    assert lines(*corner) == pytest.approx(lines(110, 70), abs=1)
    assert min(lines(*corner)) >= 3


def test_crops_alone_touch_no_edge_of_the_figure(tmp_path: Path) -> None:
    """A frame at the figure's edge was cut in half."""
    draw_panels([_panel("coffee")], tmp_path / "a.png", tmp_path / "a.pdf", whole=False)
    drawn = images.read(tmp_path / "a.png").min(axis=2)
    assert (drawn[:, :6] == 255).all()
    assert (drawn[:, -6:] == 255).all()
    assert (drawn < 255).any()
