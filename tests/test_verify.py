"""A finished run is verified by making it again: each way to tamper with it is found, and named."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from srgrid import images
from srgrid.bench import bench, configure
from srgrid.cli import app
from srgrid.columns import columns
from srgrid.errors import SrgridError
from srgrid.metrics import METRICS
from srgrid.records import TABLE_NAMES, file_digest
from srgrid.report.card import build_card
from srgrid.report.export import export
from srgrid.report.grid import grid
from srgrid.report.intervals import intervals
from srgrid.verification import verify_run
from srgrid.verification.cells import held_against
from srgrid.verification.run import draw_cells
from srgrid.verification.tolerance import tolerance

sys.path.insert(0, str(Path(__file__).parent / "report"))

from run_dir import edit_record

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "results/sample"
CELL = "Own x4 small rgb8"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with images, weights and a finished run of them, `run`."""
    place = tmp_path_factory.mktemp("made")
    for name, photo in (("coffee", data.coffee()), ("chelsea", data.chelsea())):
        images.write(place / f"mirror/Own/HR/{name}.png", photo[40:136, 60:180])
    (place / "weights").mkdir()
    shutil.copy(ROOT / "models/rcan-s_x4.safetensors", place / "weights/small_x4.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        column = columns(["small=weights/small_x{scale}.safetensors"], {}, [4])
        config = configure(
            column, ["Own"], [4], mirror=str(place / "mirror"), protocols=["rgb8", "super-image"], run="own",
            compute={"threads": 1, "device": "cpu"}, figures={"images": 1},
        )  # fmt: skip
        bench(config, card=place / "run")
    return place


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """A copy of it, as the current folder."""
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "place"))
    return Path()


def verified(sample=None, run="run", **options):
    """The status, and what was found by its name."""
    found = verify_run(Path(run), sample, mirror=options.pop("mirror", Path("mirror")), **options)
    return found.status, {one.what: (one.how, one.detail) for one in found.findings}


def replace(file, old, new):
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new, 1))


def a_score(run="run"):
    """The row of scores.csv that the tests change, and what it is changed into."""
    line = next(line for line in Path(run, "scores.csv").read_text().splitlines() if "small,rgb8,chelsea" in line)
    return line, line[:-1] + ("1" if line[-1] != "1" else "2")


def seal(run=Path("run")):
    """Make everything that follows from scores.csv again, and seal it: what only the images can contradict."""
    grid(run / "scores.csv", run / "grid.csv")
    intervals(run / "scores.csv", run / "intervals.csv")
    digests = {name: file_digest(run / name) for name in TABLE_NAMES}
    edit_record(run / "tables.json", lambda record: record.update(sha256=digests))
    edit_record(run / "provenance.json", lambda record: record.update(outputs=digests))
    for file in (*run.glob("figures/*.json"), *run.glob("previews/*/previews.json")):
        edit_record(file, lambda record: record.update(scores_sha256=digests["scores.csv"]))
    export(run)
    build_card(run)


def test_a_run_as_it_was_made_is_equal_in_everything(place):
    status, found = verified()
    assert status == 0
    assert {how for how, _ in found.values()} == {"equal"}, found
    wanted = ["scores.csv", "grid.csv", "grid.tex", "model_card.md", "model_card.html", "weights of small x4", CELL]
    wanted += ["HR images of Own", "LR images of Own x4, matlab", "figure Own_x4.png", "Own x4 small super-image"]
    assert set(wanted) <= set(found)


def test_nothing_is_written_into_the_run(place):
    before = {file: file_digest(file) for file in Path("run").rglob("*") if file.is_file()}
    verified(1)
    assert {file: file_digest(file) for file in Path("run").rglob("*") if file.is_file()} == before


def test_a_score_edited_in_scores_csv_is_named(place):
    replace("run/scores.csv", *a_score())
    status, found = verified()
    assert status == 1
    assert found["scores.csv"] == ("differs", "edited since it was made")
    how, detail = found[CELL]
    assert how == "differs"
    assert detail.startswith("chelsea: ssim is ")


def test_a_score_edited_everywhere_and_sealed_again_is_named(place):
    """Tables, records, card and page all follow from the edited score: only the images contradict it."""
    replace("run/scores.csv", *a_score())
    seal()
    status, found = verified()
    assert status == 1
    assert found["scores.csv"][0] == found["grid.csv"][0] == found["model_card.html"][0] == "equal"
    assert found[CELL][0] == "differs"
    assert "chelsea: ssim" in found[CELL][1]
    assert [what for what, (how, _) in found.items() if how == "differs"] == [CELL]


def test_a_mean_edited_in_grid_csv_is_named(place):
    row = next(line for line in Path("run/grid.csv").read_text().splitlines() if "small,rgb8" in line)
    replace("run/grid.csv", row, row.replace(row.split(",")[4], "40.000000"))
    status, found = verified(0)
    assert status == 1
    assert found["grid.csv"][0] == "differs"
    assert "40.000000" in found["grid.csv"][1]


@pytest.mark.parametrize("name", ["model_card.md", "model_card.html"])
def test_a_number_edited_in_the_card_is_named(place, name):
    text = next(line for line in Path("run/grid.csv").read_text().splitlines() if "small,rgb8" in line)
    psnr = f"{float(text.split(',')[4]):.2f}"
    replace(f"run/{name}", psnr, f"{float(psnr) + 0.1:.2f}")
    status, found = verified(0)
    assert status == 1
    assert found[name][0] == "differs"
    assert f"{float(psnr) + 0.1:.2f}" in found[name][1]


def digest(name):
    return file_digest(ROOT / f"models/{name}_x4.safetensors")[:12]


def test_swapped_weights_are_named(place):
    shutil.copy(ROOT / "models/rcan-bam-s_x4.safetensors", "weights/small_x4.safetensors")
    status, found = verified()
    assert status == 1
    assert found["weights of small x4"][0] == "differs"
    assert found["weights of small x4"][1].startswith(
        f"weights/small_x4.safetensors has sha256 {digest('rcan-bam-s')}..."
    )
    assert found[CELL] == ("cannot be checked", "its weights are not here")


def test_swapped_weights_in_the_record_too_are_known_by_the_scores(place):
    shutil.copy(ROOT / "models/rcan-bam-s_x4.safetensors", "weights/small_x4.safetensors")
    digest = file_digest(Path("weights/small_x4.safetensors"))
    edit_record(Path("run/provenance.json"), lambda record: record["weights"]["small x4"].update(sha256=digest))
    status, found = verified()
    assert status == 1
    assert found["weights of small x4"][0] == "equal"
    assert found[CELL][0] == "differs"


def test_weights_that_are_gone_cannot_be_checked(place):
    Path("weights/small_x4.safetensors").unlink()
    status, found = verified()
    assert status == 2
    assert found["weights of small x4"][0] == "cannot be checked"
    assert f"bring the file with sha256 {digest('rcan-s')}..." in found["weights of small x4"][1]
    assert found["Own x4 bicubic rgb8"][0] == "equal"


def test_a_replaced_image_is_named(place):
    file = Path("mirror/Own/HR/chelsea.png")
    image = images.read(file).copy()
    image[0, 0] ^= 1
    images.write(file, image)
    status, found = verified()
    assert status == 1
    assert found["HR images of Own"][0] == "differs"


def test_a_replaced_image_of_a_known_set_cannot_be_checked(tmp_path):
    """The data set's own digests refuse it before anything is scored."""
    images.write(tmp_path / "sample/HR/astronaut.png", np.zeros((64, 64, 3), np.uint8))
    status, found = verified(1, SAMPLE, mirror=tmp_path)
    assert status == 2
    how, detail = next(value for what, value in found.items() if what.startswith("sample x"))
    assert how == "cannot be checked"
    assert "astronaut" in detail


def test_a_replaced_figure_is_named(place):
    image = images.read(Path("run/figures/Own_x4.png")).copy()
    image[:20] = 0
    images.write(Path("run/figures/Own_x4.png"), image)
    status, found = verified(0)
    assert status == 1
    assert "Own_x4.png: edited or damaged" in found["files of figures"][1]


def test_a_replaced_figure_that_was_sealed_again_is_named(place):
    file = Path("run/figures/Own_x4.png")
    image = images.read(file).copy()
    image[:20] = 0
    images.write(file, image)
    digest = {file.name: file_digest(file)}
    edit_record(file.with_suffix(".json"), lambda record: record["sha256"].update(digest))
    status, found = verified()
    assert status == 1
    assert found["figure Own_x4.png"] == ("differs", "Own_x4.png drawn again has other bytes")


@pytest.mark.parametrize("name", ["tables.json", "provenance.json"])
def test_an_edited_record_is_named(place, name):
    replace(f"run/{name}", '"small', '"smell')
    status, found = verified(0)
    assert status == 1
    assert found[name][0] == "differs"
    assert "edited" in found[name][1]


def made_by(change):
    """As if the run had been made by another version: its record and its page say so."""
    edit_record(Path("run/provenance.json"), change)
    build_card(Path("run"))


def test_other_packages_are_named_and_did_not_matter(place):
    made_by(lambda record: record["versions"].update(numpy="1.26.0"))
    status, found = verified(1)
    assert status == 0
    assert found["packages"][0] == "other version"
    assert found["packages"][1].startswith("numpy 1.26.0, here ")
    assert found["packages"][1].endswith(": did not matter")


def other_code(record):
    """A run of another version: of its scores, card and figures."""
    for code in (record["code"]["score"], *record["code"]["present"].values()):
        code["source"] = "0" * 16
    record["commit"] = "abcdef" * 6


def test_another_srgrid_is_named_and_its_words_are_no_fault(place):
    made_by(other_code)
    replace("run/model_card.md", "## Intended use", "## What it is for")
    status, found = verified(1)
    assert status == 0
    assert "commit abcdefabcdef, here " in found["srgrid"][1]
    assert found["srgrid"][1].endswith("did not matter")
    how, detail = found["model_card.md"]
    assert how == "other version"
    assert "## What it is for" in detail


def test_another_srgrid_that_mattered_is_named(place):
    replace("run/scores.csv", *a_score())
    seal()
    made_by(other_code)
    status, found = verified()
    assert status == 1
    assert found["srgrid"][1].endswith("may be why something differs")


def test_a_number_in_the_card_of_another_srgrid_is_named(place):
    made_by(other_code)
    value = re.search(r"value: [23]\d\..*", Path("run/model_card.md").read_text())[0]
    replace("run/model_card.md", value, re.sub(": [23]", ": 4", value))
    status, found = verified(0)
    assert status == 1
    assert "model-index: Own x4 small rgb8: psnr: 4" in found["model_card.md"][1]


def test_a_sample_is_drawn_by_its_seed():
    cells = [(name, scale, "bicubic", "rgb8") for name in "abcdef" for scale in (2, 3, 4)]
    assert draw_cells(cells, 4, 1) == draw_cells(cells, 4, 1)
    assert len({tuple(draw_cells(cells, 4, seed)) for seed in range(9)}) == 9
    assert draw_cells(cells, 4, 1) == sorted(draw_cells(cells, 4, 1))
    assert draw_cells(cells, 99, 1) == cells
    assert draw_cells(cells, 0, 1) == []


def test_how_far_a_network_may_be_off():
    psnr, ssim = METRICS["psnr"], METRICS["ssim"]
    assert (tolerance(psnr, "fp32"), tolerance(ssim, "fp32")) == pytest.approx((1e-3, 1e-5))
    assert (tolerance(psnr, "bf16"), tolerance(ssim, "bf16")) == pytest.approx((0.1, 1e-3))  # measured: 0.016, 0.00058
    limits = [(psnr, tolerance(psnr, "fp32")), (ssim, tolerance(ssim, "fp32"))]
    written = {"a": ["30.000000", "0.900000"], "b": ["31.000000", "0.900000"]}
    off = held_against("x", {**written, "b": ["31.000900", "0.900009"]}, written, limits)
    assert (off.how, off.detail) == ("within tolerance", "1 of 2 images, by up to 0.0009 psnr")
    off = held_against("x", {**written, "b": ["31.001100", "0.900009"]}, written, limits)
    assert (off.how, off.detail) == ("differs", "b: psnr is 31.000000, made again 31.001100 (tolerance 0.001)")
    off = held_against("x", {"a": written["a"]}, written, limits)
    assert (off.how, off.detail) == ("differs", "not the same images: b")


def test_another_processor_passes_within_the_tolerance():
    """A network's cell of the sample run by the code for an old processor, and two threads."""
    old = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "OMP_NUM_THREADS": "2"}
    words = ["verify", str(SAMPLE), "--sample", "1", "--seed", "19", "--threads", "2"]
    environment = {key: value for key, value in os.environ.items() if key != "SRGRID_MIRROR"} | old
    done = subprocess.run(
        [sys.executable, "-m", "srgrid", *words], capture_output=True, text=True, check=False, cwd=ROOT,
        env=environment, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^sample x4 rcan-s rgb8 +(within tolerance|equal) ", done.stdout, re.M)


def test_a_folder_that_is_no_run_is_said(tmp_path):
    with pytest.raises(SrgridError, match=r"tables\.json does not exist; give the folder of a finished run"):
        verify_run(tmp_path)


def test_a_sample_that_is_none_is_said():
    with pytest.raises(SrgridError, match="--sample some: give a number of cells, or all"):
        app(["verify", str(SAMPLE), "--sample", "some"], standalone_mode=False)


def test_what_was_found_is_written_down(place, capsys):
    app(["verify", "run", "--sample", "0", "--report", "found.json"], standalone_mode=False)
    record = json.loads(Path("found.json").read_text())
    assert (record["status"], record["cells"]) == (0, [0, 4])
    printed = capsys.readouterr().out
    assert all(one["what"] in printed for one in record["findings"])
    assert printed.endswith("run: 0 of 4 cells made again; 12 equal\n")
