"""Tables, pictures and records of a run: edited, stale, impossible or left-over ones never reach the card."""

import json
import math
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from srgrid import images, provenance
from srgrid.cli import app
from srgrid.errors import SrgridError
from srgrid.files import MANIFEST, write_manifest
from srgrid.records import file_digest, read_record, write_record
from srgrid.report.audit import write_audit
from srgrid.report.card import build_card, code_block, render_html, render_markdown, shell_word
from srgrid.report.cardata import gather
from srgrid.report.choose import choose_images
from srgrid.report.curves import read_curve
from srgrid.report.grid import grid, make_grid, wide
from srgrid.report.intervals import read_intervals
from srgrid.report.sources import open_cell
from srgrid.report.tables import cells, number, read_grid, read_scores
from srgrid.report.textable import latex

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from run_dir import MODEL, describe_sr, draw, edit_record, make_run, record_tables, score_cell, write_tables

ROOT = Path(__file__).parents[2]
HEAD = "dataset,scale,method,protocol,image,psnr,ssim\n"
AUDIT = ["audit.csv", "effects.csv", "columns.csv"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A whole run, of one scale."""
    return make_run(tmp_path_factory.mktemp("made"), scales=(2,))


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def parts(run):
    return sorted((run / "scores").glob("*/*.csv"))


# 24: impossible numbers; edited tables


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("Set5,2.5,m,p,baby,30,0.9", "scale is '2.5'"),
        ("Set5,2.0,m,p,baby,30,0.9", "scale is '2.0'"),
        ("Set5,0,m,p,baby,30,0.9", "scale is '0'"),
        ("Set5,2,m,p,baby,30,31.5", "ssim is '31.5'"),
        ("Set5,2,m,p,baby,30,-1.5", "ssim is '-1.5'"),
        ("Set5,2,m,p,baby,-inf,0.9", "psnr is '-inf'"),
        ("Set5,2,m,p,baby,-3,0.9", "psnr is '-3'"),
        ("Set5,2,m,p,baby,nan,0.9", "psnr is 'nan'"),
        ("Set5,2,m,p,baby,1_0,0.9", "psnr is '1_0'"),
        ("Set5,2,m,p,,30,0.9", "image is ''"),
        ("Set5,2,m,p,baby,30,0.9,more", "8 values for 7 columns"),
        ("Set5,2,m,p,baby,30", "6 values for 7 columns"),
        ("Set5,2,m,p,baby,30,0.9\nSet5,2,m,p,baby,30,0.9", "there twice"),
    ],
)
def test_24_impossible_numbers_are_refused(tmp_path, row, words):
    (tmp_path / "s.csv").write_text(f"{HEAD}{row}\n")
    with pytest.raises(SrgridError, match=re.escape(words)):
        read_scores(tmp_path / "s.csv")
    if row.endswith("31.5"):
        with pytest.raises(SrgridError, match=re.escape(words)):
            grid(tmp_path / "s.csv", tmp_path / "grid.csv")


def test_24_impossible_grids_are_refused(tmp_path):
    for count, words in (("2.5", "images is '2.5'"), ("0", "images is '0'")):
        (tmp_path / "g.csv").write_text(f"dataset,scale,method,protocol,psnr,ssim,images\nSet5,2,m,p,30,0.9,{count}\n")
        with pytest.raises(SrgridError, match=words):
            read_grid(tmp_path / "g.csv")


def test_24_a_loss_without_bound_keeps_its_sign(tmp_path):
    assert [number(value, 2) for value in (math.inf, -math.inf, math.nan)] == ["inf", "-inf", ""]
    rows = "S,2,bicubic,p,a,inf,1\nS,2,bicubic,p,b,30,0.9\nS,2,m,p,a,40,0.9\nS,2,m,p,b,31,0.9\n"
    write_tables(tmp_path, HEAD + rows)
    table = read_intervals(tmp_path / "intervals.csv", read_grid(tmp_path / "grid.csv"))
    assert table["psnr_gain"].tolist()[1] == -math.inf


def test_24_edited_intervals_do_not_reach_the_card(run):
    table = pd.read_csv(run / "intervals.csv", dtype=str, keep_default_na=False)
    table.loc[0, ["psnr_low", "psnr_high"]] = ["10.000000", "90.000000"]
    table.to_csv(run / "intervals.csv", index=False, lineterminator="\n")
    with pytest.raises(SrgridError, match=r"intervals\.csv: edited or damaged.*make the grid again"):
        build_card(run)
    table.loc[0, ["psnr_low", "psnr_high"]] = ["80.000000", "90.000000"]
    table.to_csv(run / "intervals.csv", index=False, lineterminator="\n")
    with pytest.raises(SrgridError, match=r"intervals\.csv: a psnr lies outside its interval"):
        read_intervals(run / "intervals.csv", read_grid(run / "grid.csv"))


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("grid.csv", "psnr", r"grid\.csv does not follow from scores\.csv beside it: make the grid again"),
        ("grid.csv", "dataset", r"grid\.csv does not follow from scores\.csv beside it: make the grid again"),
        ("intervals.csv", "psnr", r"intervals\.csv has other means than the grid beside it; make the grid again"),
        ("intervals.csv", "dataset", r"intervals\.csv has other cells than the grid beside it; make the grid again"),
    ],
)
def test_24_tables_that_do_not_follow_from_each_other_are_refused(run, table, column, words):
    """Though their record says that they are whole: tables of two runs under one record."""
    frame = pd.read_csv(run / table, dtype=str, keep_default_na=False)
    low, high = (float(frame.loc[0, f"psnr_{end}"]) for end in ("low", "high")) if "psnr_low" in frame else (30, 40)
    frame.loc[0, column] = f"{(low + high) / 2:.6f}" if column == "psnr" else "others"
    frame.to_csv(run / table, index=False, lineterminator="\n")
    record_tables(run)
    edit_record(run / "provenance.json", lambda record: record.update(outputs={}, config={}))
    with pytest.raises(SrgridError, match=words):
        gather(run)


def test_24_a_cell_of_another_name_than_its_record_says_is_refused(run, tmp_path):
    part = parts(run)[0]
    edit_record(part.with_suffix(".json"), lambda record: record["cell"].update(dataset="others"))
    with pytest.raises(SrgridError, match=rf"{part.name}: holds another cell than its record says; score it again"):
        make_grid(parts(run), tmp_path / "out")


def test_24_an_edited_cell_does_not_reach_the_grid(run, tmp_path):
    part = parts(run)[0]
    make_grid(parts(run), tmp_path / "again")
    for name in ("scores.csv", "grid.csv", "intervals.csv"):  # in another order, but for that the same
        assert sorted((tmp_path / "again" / name).read_text()) == sorted((run / name).read_text())
    text = part.read_text()
    part.write_text(re.sub(r",\d\d\.", ",99.", text, count=1))
    with pytest.raises(SrgridError, match=rf"{part.name}: edited or damaged since it was made; score it again"):
        make_grid(parts(run), tmp_path / "out")
    part.write_text(text)
    replace(part.with_suffix(".json"), '"scale": 2', '"scale": 3')
    with pytest.raises(SrgridError, match=rf"{part.stem}\.json: edited"):
        make_grid(parts(run), tmp_path / "out")
    part.with_suffix(".json").unlink()
    with pytest.raises(SrgridError, match=rf"{part.stem}\.json does not exist; score .*{part.name} again"):
        make_grid(parts(run), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def write_provenance(run, *words):
    """The command `srgrid provenance`, of a run with HR images as `fetch` leaves them."""
    write_manifest(run / "HR", {"step": "fetch"}, images.describe_folder(run / "HR"))
    srgrid("provenance", run / "provenance.json", "--input", run / "HR", *words)


def srgrid(*arguments):
    """The command, in this process."""
    return app([str(argument) for argument in arguments], standalone_mode=False)


def test_24_a_cell_is_scored_as_it_says(run, tmp_path):
    words = ["cells", run / "HR", tmp_path / "scores", "--method", "bicubic", "--scale", 2, "--dataset"]
    cells = [f"--cell={name}={run / 'SR/bicubic/x2'}" for name in ("rgb8", "luma8")]
    with pytest.raises(SrgridError, match=r"'\.\./photos' is no name"):
        srgrid(*words, "../photos", *cells)
    with pytest.raises(SrgridError, match=r"unknown protocol 'rgb9'"):
        srgrid(*words, "photos", *cells, f"--cell=rgb9={run / 'SR/bicubic/x2'}")
    with pytest.raises(SrgridError, match="would be left out"):
        srgrid(*words, "photos", *cells, f"--cell=super-image={run / 'SR'}")
    assert not (tmp_path / "scores").exists()
    srgrid(*words, "photos", *cells)
    table = tmp_path / "scores/rgb8/photos_x2_bicubic.csv"
    record = read_record(table.with_suffix(".json"), "cell", "")
    assert record["csv"] == file_digest(table)
    other = read_record(tmp_path / "scores/luma8/photos_x2_bicubic.json", "cell", "")
    assert (other["cell"], other["sr"]) == (record["cell"] | {"protocol": "luma8"}, record["sr"])
    assert record["hr"]["images"] == record["sr"]["images"] == 4
    assert record["sr"]["made_by"]["model"] == "bicubic"
    assert (record["protocol"]["shave"], record["code"].keys() >= {"source", "numpy"}) == ("scale", True)


# 2: tables edited by hand; cells that do not go together; other code


def readers(run):
    """What reads a run's tables, by name."""
    srs = {"bicubic": run / "SR/bicubic/x2"}
    cell = {"dataset": "photos", "scale": 2, "protocol": "rgb8"}
    return {
        "scores.csv": {
            "figure and previews": lambda: open_cell(run / "scores.csv", run / "HR", srs, **cell),
            "audit": lambda: write_audit(run, []),
            "provenance": lambda: provenance.write_provenance(run / "provenance.json", {}, [], {}, [], ""),
            "card": lambda: build_card(run),
        },
        "grid.csv": {
            "audit": lambda: write_audit(run, []),
            "provenance": lambda: provenance.write_provenance(run / "provenance.json", {}, [], {}, [], ""),
            "latex": lambda: latex(run / "grid.csv", run / "grid.tex"),
            "wide": lambda: wide(run / "grid.csv", run / "wide.csv"),
            "card": lambda: build_card(run),
        },
    }


@pytest.mark.parametrize("table", ["scores.csv", "grid.csv"])
def test_2_tables_edited_by_hand_are_refused_by_all_that_read_them(run, table):
    text = (run / table).read_text()
    (run / table).write_text(text.replace("0.", "0.9", 1))
    for read in readers(run)[table].values():
        with pytest.raises(SrgridError, match=rf"{table}: edited or damaged.*make the grid again"):
            read()
    (run / table).write_text(text)
    (run / "tables.json").unlink()
    for read in readers(run)[table].values():
        with pytest.raises(SrgridError, match=r"tables\.json does not exist; make the grid again"):
            read()


def test_2_hr_images_that_differ_between_cells_are_refused(run, tmp_path):
    image = images.read(run / "HR/coffee.png").copy()
    image[0, 0] ^= 1
    images.write(run / "HR/coffee.png", image)
    score_cell(run, "photos", "bicubic", 2, "luma8")
    with pytest.raises(SrgridError, match=r"photos: sha256 .* score all of them on the same HR images"):
        make_grid(parts(run), tmp_path / "out")


def test_2_hr_images_other_than_those_scored_are_no_input(run, tmp_path):
    folder = shutil.copytree(run / "HR", tmp_path / "photos")
    write_manifest(folder, {"step": "fetch"}, images.describe_folder(folder))
    provenance.write_provenance(run / "provenance.json", {}, [folder], {}, [], "")
    images.write(folder / "coffee.png", images.read(folder / "coffee.png") // 2)
    write_manifest(folder, {"step": "fetch"}, images.describe_folder(folder))
    with pytest.raises(SrgridError, match="photos: the HR images are others than those that were scored"):
        provenance.write_provenance(run / "provenance.json", {}, [folder], {}, [], "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["protocol"].update(shave=9), "rgb8: shave scale and 9.*one definition"),
        (lambda r: r["code"].update(numpy="1.0"), "numpy .* and 1.0.*same srgrid and packages"),
        (lambda r: r["code"].update(source="abcd"), "source .* and abcd.*same srgrid and packages"),
        (
            lambda r: r["sr"].update(lr={"images": 4, "sha256": "0" * 64}),
            "x2 under rgb8: images 0 and 4, .*LR images",
        ),
    ],
)
def test_2_cells_of_other_protocols_code_or_lr_images_are_refused(run, tmp_path, change, words):
    edit_record(run / f"scores/rgb8/x2_{MODEL}.json", change)
    with pytest.raises(SrgridError, match=words):
        make_grid(parts(run), tmp_path / "out")


def test_2_a_run_made_by_other_code_is_seen_to_be_so(run):
    build_card(run)
    assert "Not made by the code" not in (run / "model_card.md").read_text()
    edit_record(run / "tables.json", lambda r: r["code"]["score"].update(source="0123", numpy="1.26"))
    edit_record(run / "tables.json", lambda r: r["methods"][f"{MODEL} x2"]["code"].update(torch="1.13"))
    build_card(run)
    for name in ("model_card.md", "model_card.html"):
        text = (run / name).read_text()
        assert re.search(r"the scores \(numpy 1\.26, here [\d.]+; source 0123, here \w+\)", text)
        assert re.search(rf"the SR images of {MODEL} x2 \(torch 1\.13, here", text)


def test_2_a_card_is_of_the_tables_that_its_provenance_is_of(run):
    text = (run / "scores.csv").read_text()
    write_tables(run, text.replace("photos,2,bicubic,rgb8,chelsea,3", "photos,2,bicubic,rgb8,chelsea,4"))
    with pytest.raises(SrgridError, match=r"provenance\.json: written for other tables"):
        build_card(run)


def test_2_a_stale_or_edited_audit_is_refused(run):
    record = {"sha256": {}, "from": {"grid.csv": "0" * 64}, "code": {}}
    write_record(run / "audit.json", "audit", record)
    with pytest.raises(SrgridError, match=r"audit\.csv: made from another grid; make the audit again"):
        build_card(run)
    (run / "audit.csv").write_text("verdict\nreproduced\n")
    now = {"grid.csv": file_digest(run / "grid.csv")}
    write_record(run / "audit.json", "audit", {**record, "sha256": {"audit.csv": "1" * 64}, "from": now})
    with pytest.raises(SrgridError, match=r"audit\.csv: edited or damaged since it was made; make the audit again"):
        build_card(run)
    (run / "audit.json").unlink()
    with pytest.raises(SrgridError, match=r"audit\.json does not exist; make the audit again"):
        build_card(run)


def test_2_the_audit_reads_checked_cells(run):
    with pytest.raises(SrgridError, match="photos 2 bicubic luma8 is there twice"):
        write_audit(run, [run / "scores/luma8/x2_bicubic.csv"])
    edit_record(run / "scores/luma8/x2_bicubic.json", lambda r: r["code"].update(numpy="1.0"))
    with pytest.raises(SrgridError, match=r"numpy .* and 1\.0 \(the grid and .*x2_bicubic\.csv\)"):
        write_audit(run, [run / "scores/luma8/x2_bicubic.csv"])
    replace(run / "scores/luma8/x2_bicubic.csv", "0.", "0.9")
    with pytest.raises(SrgridError, match=r"x2_bicubic\.csv: edited"):
        write_audit(run, [run / "scores/luma8/x2_bicubic.csv"])


# 22: weights, precision, code behind the SR images


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights_sha256": "f" * 64}, "weights_sha256 121212121212... and ffffffffffff..."),
        ({"precision": "bf16"}, "precision fp32 and bf16"),
        ({"ensemble": True}, "ensemble False and True"),
        ({"code": {"source": "0"}}, "code.source"),
        ({"rgb_range": 255}, "rgb_range none and 255"),
    ],
)
def test_22_sr_images_of_swapped_weights_are_refused(run, tmp_path, change, words):
    describe_sr(run, MODEL, 2, **change)
    part = score_cell(run, "photos", MODEL, 2, "luma8")
    with pytest.raises(SrgridError) as error:
        make_grid(sorted(parts(run), key=lambda other: other == part), tmp_path / "out")
    message = str(error.value)
    assert f"{MODEL} x2: " in message
    assert words in message
    assert str(part) in message
    assert "upscale again" in message


def test_22_what_may_differ_between_protocols_does(run, tmp_path):
    tiles = {"a": {"side": 64, "overlap": 16}, "b": {"side": 32, "overlap": 8}, "c": {"side": 64, "overlap": 16}}
    describe_sr(run, MODEL, 2, kind="float", degradation="pillow", device="cuda", tiles=tiles)
    score_cell(run, "photos", MODEL, 2, "luma8")
    make_grid(parts(run), tmp_path / "out")
    record = read_record(tmp_path / "out/tables.json", "tables", "")
    assert record["devices"] == {f"{MODEL} x2": ["cpu", "cuda"]}
    assert record["tiles"] == {f"{MODEL} x2": [{"side": 32, "overlap": 8}, {"side": 64, "overlap": 16}]}
    assert record["methods"][f"{MODEL} x2"]["weights_sha256"] == "12" * 32


def test_22_given_sr_images_have_no_maker_but_all_of_a_method_have_none(run, tmp_path):
    (run / f"SR/{MODEL}/x2" / MANIFEST).unlink()
    score_cell(run, "photos", MODEL, 2, "luma8")
    with pytest.raises(SrgridError, match="SR images given by hand"):
        make_grid(parts(run), tmp_path / "out")
    score_cell(run, "photos", MODEL, 2, "rgb8")
    make_grid(parts(run), tmp_path / "out")
    assert read_record(tmp_path / "out/tables.json", "tables", "")["methods"][f"{MODEL} x2"] is None


def two_experiments(run):
    """expA/net_x2 and expB/net_x2, two networks whose files share a name, with tables that were made with them."""
    files = {}
    for method, name in (("ours", "rcan-bam-s"), ("theirs", "rcan-s")):
        file = run / f"exp {method}" / "net_x2.safetensors"
        file.parent.mkdir()
        shutil.copy(ROOT / f"models/{name}_x2.safetensors", file)
        files[method, 2] = file
    text = (run / "scores.csv").read_text()
    rows = [line for line in text.splitlines()[1:] if MODEL in line]
    for method in ("ours", "theirs"):
        text += "".join(row.replace(MODEL, method) + "\n" for row in rows)
    made = {f"{m} x{s}": {"model": f.name, "weights_sha256": file_digest(f)} for (m, s), f in files.items()}
    write_tables(run, text, methods={**made, "bicubic x2": {"model": "bicubic"}})
    return files


def test_22_other_weights_than_those_the_images_were_made_with_are_no_provenance(run):
    files = two_experiments(run)
    swapped = {("ours", 2): files["theirs", 2]}
    with pytest.raises(SrgridError, match=r"exp theirs/net_x2\.safetensors: other bytes than the SR images of ours x2"):
        provenance.write_provenance(run / "provenance.json", {}, [], swapped, [], "")
    with pytest.raises(SrgridError, match="nobody x2 is no column of the grid"):
        provenance.write_provenance(run / "provenance.json", {}, [], {("nobody", 2): files["ours", 2]}, [], "")
    with pytest.raises(SrgridError, match="bicubic x2, not made with weights"):
        provenance.write_provenance(run / "provenance.json", {}, [], {("bicubic", 2): files["ours", 2]}, [], "")


# 10: weights files that share a name


def test_10_two_methods_whose_weights_files_share_a_name_keep_their_own(run):
    files = two_experiments(run)
    weights = [word for (m, s), file in files.items() for word in ("--weights", f"{m}:{s}={file}")]
    write_provenance(run, *weights)
    for folder in ("figures", "previews"):  # of other scores
        shutil.rmtree(run / folder)
    record = read_record(run / "provenance.json", "provenance", "")["weights"]
    assert {key: entry["name"] for key, entry in record.items()} == {"ours x2": "rcan-bam-s", "theirs x2": "rcan-s"}
    data = gather(run)
    assert [(m.method, m.scale, m.sha256) for m in data.models] == [
        (method, 2, file_digest(file)) for (method, _), file in files.items()
    ]
    for text in (render_markdown(data), render_html(data)):
        for file in files.values():
            assert file_digest(file)[:16] in text
    assert render_markdown(data).count("no weights recorded in this run") == 1  # of the model whose file is not given
    assert "ours ×2" in render_html(data)


def test_10_weights_that_no_file_is_given_of_are_known_from_the_sr_images(run):
    provenance.write_provenance(run / "provenance.json", {}, [], {}, [], "")
    (entry,) = read_record(run / "provenance.json", "provenance", "")["weights"].values()
    assert (entry["method"], entry["scale"], entry["sha256"]) == (MODEL, 2, "12" * 32)


def test_10_a_measurement_of_other_weights_is_not_taken(tmp_path):
    file = Path(shutil.copy(ROOT / "models/rcan-s_x2.safetensors", tmp_path))
    assert "measured" not in provenance.weights_record(file)
    for name, taken in (("rcan-s_x2", True), ("rcan-bam-s_x2", False)):
        shutil.copy(ROOT / f"models/{name}.json", file.with_suffix(".json"))
        assert ("measured" in provenance.weights_record(file)) is taken
    file.with_suffix(".json").write_text("{")
    with pytest.raises(SrgridError, match=r"rcan-s_x2\.json: not readable JSON"):
        provenance.weights_record(file)


@pytest.mark.parametrize("given", ["net.safetensors", "m=net.safetensors", "m:x=net.safetensors", ":2=net.safetensors"])
def test_10_weights_are_given_by_method_and_scale(run, given):
    with pytest.raises(SrgridError, match="--weights: expected METHOD:SCALE=FILE"):
        write_provenance(run, "--weights", given)


# 11: whose gain


def gains(**methods):
    names = ["a", "b", "c"]
    rows = [
        ("D", 2, method, "rgb8", name, 30.0 + gain, 0.9)
        for method, values in methods.items()
        for name, gain in zip(names, values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["dataset", "scale", "method", "protocol", "image", "psnr", "ssim"])


def test_11_a_gain_says_whose_it_is():
    table = gains(bicubic=[0, 0, 0], m=[1, 2, 3], n=[3, 2, -9])
    assert {c.whose for c in choose_images(table, "D", 2, "rgb8")} == {"mean of m and n"}
    assert {c.whose for c in choose_images(table, "D", 2, "rgb8", method="n")} == {"n"}
    assert {c.whose for c in choose_images(table[table["method"] != "n"], "D", 2, "rgb8")} == {"m"}


def test_11_what_is_no_gain_is_not_called_one():
    table = gains(bicubic=[0, 1, 2], m=[1, 2, 3])
    other = table[table["method"] == "m"].assign(protocol="other")
    cells = {
        "bicubic": pd.concat([table[table["method"] == "bicubic"], other]),  # the model has no rows under this protocol
        "m": table[table["method"] == "m"],  # no bicubic to gain over
    }
    for whose, rows in cells.items():
        first = choose_images(rows, "D", 2, "rgb8")[0]
        assert (first.role, first.whose, first.image) == ("highest PSNR", whose, "c")


def test_11_figure_previews_and_card_say_whose_gain_it_is(run, monkeypatch):
    text = (run / "scores.csv").read_text()
    write_tables(run, text + "".join(row.replace(MODEL, "other") + "\n" for row in text.splitlines() if MODEL in row))
    edit_record(run / "provenance.json", lambda record: record.update(outputs={}, config={}))
    drawn = []
    monkeypatch.setattr("srgrid.report.figures._draw_panel", lambda figure, panel, *_: drawn.append(panel.title))
    draw(run, "photos", 2)
    for name in ("figures/x2.json", "figures/x2.selection.json", "previews/x2/previews.json"):
        shown = json.loads((run / name).read_text())["images"]
        assert {image["whose"] for image in shown} == {f"mean of {MODEL} and other"}
    assert re.search(rf"largest gain, \+\d\.\d\d dB over bicubic \(mean of {MODEL} and other\)$", drawn[0])
    build_card(run)
    for name in ("model_card.md", "model_card.html"):
        assert "each image's mean gain over all methods" in (run / name).read_text().replace("&#39;", "'")
    assert f'"whose":"mean of {MODEL} and other"' in (run / "model_card.html").read_text()


def test_11_an_infinite_value_is_json(run, monkeypatch):
    text = (run / "scores.csv").read_text()
    monkeypatch.setattr("srgrid.report.figures._draw_panel", lambda *_: None)
    write_tables(run, re.sub(rf"(photos,2,{MODEL},rgb8,camera),[\d.]+,[\d.]+", r"\1,inf,1.00000000", text))
    draw(run, "photos", 2)
    shown = json.loads((run / "figures/x2.json").read_text(), parse_constant=pytest.fail)["images"]
    assert (shown[0]["image"], shown[0]["value_db"]) == ("camera", None)


def test_22_pictures_are_of_the_images_that_were_scored(run):
    images.write(run / f"SR/{MODEL}/x2/coffee.png", images.read(run / f"SR/{MODEL}/x2/coffee.png") // 2)
    describe_sr(run, MODEL, 2)  # made again, with a manifest of its own
    with pytest.raises(SrgridError, match=rf"{MODEL}/x2: other images than those that were scored; score them again"):
        draw(run, "photos", 2)
    srs = {MODEL: run / f"SR/{MODEL}/x2"}
    with pytest.raises(SrgridError, match="other images than those that were scored"):
        open_cell(run / "scores.csv", run / "HR", srs, dataset="photos", scale=2, protocol="rgb8")


def test_22_pictures_are_of_the_hr_images_that_were_scored(run):
    srs = {MODEL: run / f"SR/{MODEL}/x2"}
    cell = {"dataset": "photos", "scale": 2, "protocol": "rgb8"}
    write_manifest(run / "HR", {"step": "fetch"}, images.describe_folder(run / "HR"))
    open_cell(run / "scores.csv", run / "HR", srs, **cell)
    images.write(run / "HR/coffee.png", images.read(run / "HR/coffee.png") // 2)
    write_manifest(run / "HR", {"step": "fetch"}, images.describe_folder(run / "HR"))
    with pytest.raises(SrgridError, match="HR: other images than those that were scored; score them again"):
        open_cell(run / "scores.csv", run / "HR", srs, **cell)


# 23: leftovers


def test_23_leftovers_of_earlier_configs_are_not_shown(run):
    build_card(run)
    cards = [(run / name).read_bytes() for name in ("model_card.md", "model_card.html")]
    old = run / "figures/gone_x3.json"
    shutil.copy(run / "figures/x2.json", old)
    edit_record(old, lambda r: r.update(dataset="gone", png="gone.png", scores_sha256="0" * 64))
    shutil.copytree(run / "previews/x2", run / "previews/gone")
    edit_record(run / "previews/gone/previews.json", lambda r: r.update(scale=3))
    shutil.copytree(run / "state" / f"{MODEL}_x2", run / "state/rcan-s_x2")
    shutil.copytree(run / "state" / f"{MODEL}_x2", run / f"state/{MODEL}_x3")
    (run / "audit.csv").write_text("verdict\nreproduced\n")
    edit_record(run / "provenance.json", lambda r: r["config"].update(audit=False))
    build_card(run)
    texts = [(run / name).read_text() for name in ("model_card.md", "model_card.html")]
    assert texts[0].encode() == cards[0]
    assert "Audit" not in texts[1]
    assert "gone" not in texts[1]
    data = json.loads(re.search(r'id="data">(.*?)</script>', texts[1], re.S)[1])
    assert [curve["name"] for curve in data["curves"]] == [f"{MODEL}_x2"]
    assert [shot["scale"] for shot in data["previews"]] == [2]


def test_23_logs_of_weights_that_are_given_are_leftovers(run):
    edit_record(run / "provenance.json", lambda r: r["config"].update(weights={MODEL: "net_x{scale}.safetensors"}))
    assert gather(run).curves == []


def test_the_log_beside_given_weights_is_shown_if_it_ends_where_their_training_did(run, tmp_path):
    given = {MODEL: str(tmp_path / "net_x{scale}.safetensors")}
    edit_record(run / "provenance.json", lambda r: r["config"].update(weights=given))
    steps = {model.scale: model.training.steps for model in gather(run).models}
    (tmp_path / "logs").mkdir()
    for scale, trained in steps.items():
        (tmp_path / f"net_x{scale}.safetensors").write_bytes(b"")
        last = trained if scale == 2 else trained - 1
        lines = [json.dumps({"step": step, "loss": 0.5}) for step in (1, last)]
        (tmp_path / f"logs/net_x{scale}.jsonl").write_text("\n".join(lines) + "\n")
    (shown,) = gather(run).curves
    assert shown == {"name": f"{MODEL}_x2", "series": {"loss": [(1.0, 0.5), (steps[2], 0.5)]}}
    long = "".join(json.dumps({"step": step, "loss": 0.5}) + "\n" for step in range(1, steps[2] + 1))
    (tmp_path / "logs/net_x2.jsonl").write_text(long)
    assert gather(run).curves[0]["series"]["loss"][-1] == (steps[2], 0.5)


def test_an_empty_log_beside_weights_is_no_curve(run, tmp_path):
    def change(record):
        record["config"].update(weights={MODEL: str(tmp_path / "net_x{scale}.safetensors")})
        for weights in record["weights"].values():
            weights["provenance"].update(steps=0)

    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/net_x2.jsonl").write_text("")
    edit_record(run / "provenance.json", change)
    assert gather(run).curves == []


def test_the_trainings_that_given_weights_went_on_from_are_shown_before_their_own(run, tmp_path):
    given = {MODEL: str(tmp_path / "net_x{scale}.safetensors")}
    (tmp_path / "logs").mkdir()

    def log(name, steps, **record):
        lines = [json.dumps({"step": step, "loss": loss}) for step, loss in ((1, 0.5), (steps, 0.25))]
        (tmp_path / f"logs/{name}.jsonl").write_text("\n".join(lines) + "\n")
        if record:
            record["training"]["steps"] = steps
            (tmp_path / f"logs/{name}.json").write_text(json.dumps(record))

    def change(record):
        record["config"].update(weights=given)
        for weights in record["weights"].values():
            weights["provenance"].update(init="b" * 64, steps=7)

    edit_record(run / "provenance.json", change)
    log("net_x2", 7)
    log("net_x2_1", 10, weights_sha256="a" * 64, training={"init": "f" * 64})
    log("net_x2_2", 5, weights_sha256="b" * 64, training={"init": "a" * 64})
    log("net_x2_3", 3, weights_sha256="c" * 64, training={"init": "b" * 64})  # went on from the same, to other weights
    log("net_x20_1", 3, weights_sha256="f" * 64, training={"init": None})  # of another scale
    (tmp_path / "logs/net_x2_eval.json").write_text("[]")  # no training's: it has no log
    joined = [(1, 0.5), (10, 0.25), (11, 0.5), (15, 0.25), (16, 0.5), (22, 0.25)]
    assert gather(run).curves == [{"name": f"{MODEL}_x2", "series": {"loss": joined}}]
    log("net_x2_2", 4)  # no longer that training's
    assert gather(run).curves == [{"name": f"{MODEL}_x2", "series": {"loss": [(1, 0.5), (7, 0.25)]}}]
    (tmp_path / "logs/net_x2_2.json").write_text("[]")
    with pytest.raises(SrgridError, match=r"net_x2_2\.json"):
        gather(run)


def test_a_foreign_log_beside_weights_of_which_no_training_is_known_is_left_alone(run, tmp_path):
    given = {MODEL: str(tmp_path / "net_x{scale}.safetensors")}
    (tmp_path / "logs").mkdir()
    for scale in (2, 4):
        (tmp_path / f"logs/net_x{scale}.jsonl").write_text("[1]\n[2]\n")
        (tmp_path / f"net_x{scale}.safetensors").write_bytes(b"")

    def change(record):
        record["config"].update(weights=given)
        for weights in record["weights"].values():
            del weights["provenance"]["steps"]

    edit_record(run / "provenance.json", change)
    assert gather(run).curves == []


def test_23_tables_that_hold_more_than_the_config_names_are_refused(run):
    edit_record(run / "provenance.json", lambda r: r["config"].update(methods=["bicubic"]))
    with pytest.raises(SrgridError, match=rf"the method {MODEL}, which the config of provenance\.json lacks"):
        build_card(run)


@pytest.mark.parametrize("name", ["figures/x2.json", "previews/x2/previews.json"])
def test_23_pictures_of_other_scores_are_refused(run, name):
    text = (run / "scores.csv").read_text()
    write_tables(run, text.replace("photos,2,bicubic,rgb8,chelsea,3", "photos,2,bicubic,rgb8,chelsea,4"))
    edit_record(run / "provenance.json", lambda record: record.update(outputs={}))
    shutil.rmtree(run / ("previews" if "figures" in name else "figures"))
    with pytest.raises(SrgridError, match=rf"{Path(name).name}: drawn from other scores than scores\.csv; draw it"):
        build_card(run)


@pytest.mark.parametrize("name", ["figures/x2.json", "previews/x2/previews.json"])
def test_23_pictures_of_another_protocol_are_refused(run, name):
    edit_record(run / name, lambda record: record.update(protocol="luma8"))
    with pytest.raises(SrgridError, match=rf"{Path(name).name}: drawn from other scores than scores\.csv; draw it"):
        build_card(run)


def test_23_an_exchanged_picture_is_refused(run):
    whole = (run / "figures/x2.png").read_bytes()
    shutil.copy(run / "figures/x2.pdf", run / "figures/x2.png")
    with pytest.raises(SrgridError, match=r"x2\.png: edited or damaged since it was made; draw it again"):
        build_card(run)
    (run / "figures/x2.png").write_bytes(whole)
    shutil.copy(run / "previews/x2/1_hr.webp", run / "previews/x2/0_hr.webp")
    with pytest.raises(SrgridError, match=r"0_hr\.webp: edited or damaged since it was made; draw it again"):
        build_card(run)


# 29: parsers; the shell


FUZZED = [
    *("scores.csv", "grid.csv", "intervals.csv", "tables.json", "provenance.json", "figures/x2.json"),
    *("previews/x2/previews.json", f"state/{MODEL}_x2/log.jsonl"),
]


def mutated(raw, chance):
    """Bytes with one of the changes that files meet."""
    at, kind = chance.randrange(len(raw)), chance.randrange(6)
    if kind == 0:
        return raw[:at]
    if kind == 1:
        return raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]
    if kind == 2:
        return (
            raw[:at] + chance.choice([b"\0", b"\xff\xfe", b"\n", b'"', b"[" * 100_000, b"NaN", b"9" * 5000]) + raw[at:]
        )
    if kind == 3:
        return raw[at:] + raw[:at]
    if kind == 4:
        return re.sub(rb"[0-9]+", chance.choice([b"-1", b"1e999", b"null", b'"x"', b"{}", b"[]"]), raw, count=1)
    return chance.choice([b"", b"[]", b"null", b"{}", b"0", b"\xef\xbb\xbf" + raw, raw + raw])


@pytest.mark.parametrize("name", FUZZED)
def test_29_every_damaged_file_ends_in_a_message_that_names_it(run, name):
    raw, chance = (run / name).read_bytes(), random.Random(f"{name} 29")
    tried = [content for content in (mutated(raw, chance) for _ in range(12)) if content != raw]
    messages = []
    for content in tried:
        (run / name).write_bytes(content)
        try:
            gather(run)
        except SrgridError as error:
            messages.append(str(error))
    assert all(Path(name).name in message for message in messages)
    assert len(messages) >= (3 if name.endswith("log.jsonl") else len(tried) - 2)  # but for a line's end more


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("tables.json", "methods"),
        ("provenance.json", "outputs"),
        ("figures/x2.json", "images"),
        ("previews/x2/previews.json", "sha256"),
    ],
)
def test_29_a_sealed_record_of_another_shape_ends_in_a_message(run, name, key):
    edit_record(run / name, lambda record: record.pop(key))
    with pytest.raises(SrgridError, match=rf"{Path(name).name}: top level: '{key}' is a required property; "):
        gather(run)
    edit_record(run / name, lambda record: record.update({key: 3}))
    with pytest.raises(SrgridError, match=rf"{Path(name).name}: {key}: 3 is not of type "):
        gather(run)


def test_29_a_log_with_odd_lines_ends_in_a_message(tmp_path):
    good = b'{"step": 1, "loss": 0.5}\n'
    log = tmp_path / "m_x2/log.jsonl"
    log.parent.mkdir()
    for line in (b"[]", b"3", b'{"loss": 1}', b'{"step": "x"}', b'{"step": NaN, "loss": 1}', b"\xff", b"[" * 100_000):
        log.write_bytes(line + b"\n" + good)
        with pytest.raises(SrgridError, match=r"log\.jsonl, line 1: damaged training log"):
            read_curve(log, "network_x2")
    log.write_bytes(good + b'{"step": 2, "loss": NaN, "psnr": ' + b"9" * 400 + b"}\n" + good)
    assert read_curve(log, "network_x2")["series"] == {"loss": [(1.0, 0.5), (1.0, 0.5)]}


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ({"datasets": "Set5"}, "[]"),
        ({"scales": ["2"]}, "[]"),
        ({"weights": ["a"]}, "[]"),
        ({"train": 3}, "[]"),
        ({"card": "mine"}, "[]"),
        ({"train": {"images": 3}}, "[]"),
        ({}, "{"),
        ({}, "3"),
        ({}, "[3]"),
        ({}, '[{"reason": "x", "dataset": 3}]'),
    ],
)
def test_29_a_config_of_another_form_is_one_message(run, config, missing):
    with pytest.raises(SrgridError, match=r"config|missing"):
        write_provenance(run, "--config", json.dumps(config), "--missing", missing)


PATHS = ["my  models/net_x2.pt", "a'b\"$HOME`id`;x.pt", "two\nlines.pt", "```.pt", "tab\t\\x.pt", "naïve ×2.pt"]


@pytest.mark.parametrize("path", PATHS)
def test_29_the_cards_command_is_quoted_for_a_shell(run, path):
    edit_record(run / "provenance.json", lambda r: r["weights"][f"{MODEL} x2"].update(path=path))
    text = render_markdown(gather(run))
    block = re.search(r"^(`{3,})bash\npip install \.\n(srgrid upscale.*?)\n\1$", text, re.M | re.S)[2]
    assert len(block.splitlines()) == 1
    words = subprocess.run(
        ["bash", "-c", f"srgrid() {{ printf '%s\\0' \"$@\"; }}; {block}"], capture_output=True, check=True
    )
    assert words.stdout.decode().split("\0")[4] == path


def test_29_a_code_block_ends_where_its_text_does():
    assert code_block("a\n```\nb") == "````\na\n```\nb\n````"
    assert shell_word("plain.pt") == "plain.pt"


def test_the_reference_runs_record_is_of_its_tables():
    folder = ROOT / "results/published"
    data = gather(folder)
    assert len(data.grid) == 156
    assert {(m.method, m.scale) for m in data.models} == {(m, s) for m in ("rcan-bam-s", "rcan-s") for s in (2, 3, 4)}
    for model in data.models:
        assert file_digest(ROOT / f"models/{model.method}_x{model.scale}.safetensors") == model.sha256


def test_25_a_lone_protocol_named_007_stays_a_name(tmp_path):
    rows = [f"001,2,bicubic,007,{image},30.000000,0.90000000" for image in ("1", "2")]
    write_tables(tmp_path, "\n".join(["dataset,scale,method,protocol,image,psnr,ssim", *rows, ""]))
    table = read_grid(tmp_path / "grid.csv")
    assert cells(table) == cells(read_intervals(tmp_path / "intervals.csv", table)) == [("001", 2, "bicubic", "007")]
