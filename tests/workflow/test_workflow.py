"""The whole workflow, run as a user runs it, on the embedded photographs with a model trained for seconds."""

import filecmp
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from running import ROOT, command, planned, read, run

from srgrid import images

TABLES = ["grid.csv", "scores.csv", "intervals.csv", "model_card.md", "model_card.html"]


def test_every_cell_is_there_and_follows_from_the_scores(finished):
    grid = read(finished / "results/tiny/grid.csv")
    scores = read(finished / "results/tiny/scores.csv")
    cells = [(r["dataset"], r["scale"], r["method"], r["protocol"]) for r in grid]
    assert len(set(cells)) == len(cells) == 2 * 2 * 2
    for row, cell in zip(grid, cells, strict=True):
        values = [float(s["psnr"]) for s in scores if (s["dataset"], s["scale"], s["method"], s["protocol"]) == cell]
        assert int(row["images"]) == len(values) == 4
        assert float(row["psnr"]) == pytest.approx(sum(values) / 4, abs=2e-6)
        assert 15 < float(row["psnr"]) < 40


def test_outputs_are_complete(finished):
    results = finished / "results/tiny"
    for name in [*TABLES, "provenance.json"]:
        assert (results / name).stat().st_size > 0, name
    provenance = json.loads((results / "provenance.json").read_text())
    assert provenance["inputs"]["sample"]["images"] == 4
    assert set(provenance["weights"]) == {f"rcan-bam-xs x{s}" for s in (2, 3)}
    words = shlex.split(provenance["command"])
    assert words[words.index("--configfile") + 1 :] == ["config/demo.yaml", str(finished / "tiny.yaml")]
    for name in ("model_card.md", "model_card.html"):
        assert "chosen by their scores on these same sample images" in (results / name).read_text()
    assert not list(results.glob("SR/*/*-float")), "float SR images are kept only until they are scored"


def test_a_second_run_does_nothing(finished):
    assert planned(finished) == {}


def test_deleting_all_output_leaves_what_other_runs_share(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "run")
    shared = set((copy / "resources").rglob("*"))
    assert {path.suffix for path in shared} >= {".png", ".srpack", ".json"}
    done = run(copy, "--delete-all-output")
    assert done.returncode == 0, done.stderr
    assert set((copy / "resources").rglob("*")) == shared
    left = {path.relative_to(copy / "results/tiny").parts[0] for path in (copy / "results").rglob("*.*")}
    assert left == {"logs", "benchmarks", "state"}
    assert not {"fetch", "verify", "lr", "pack"} & set(planned(copy))


def test_snakemakes_report_holds_grid_figures_and_card(finished, tmp_path):
    done = run(finished, "--report", str(tmp_path / "report.zip"))
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        names = {Path(name).name for name in archive.namelist()}
    assert {"report.html", "model_card.html", "sample_x2.png", "sample_x3.png", "grid.csv"} <= names


def test_a_changed_value_reruns_what_depends_on_it(finished):
    crop = planned(finished, changes={"figures": {"crop": 40}})
    assert crop
    assert not {"fetch", "verify", "lr", "pack", "train", "upscale", "score", "grid"} & set(crop)
    recipe = planned(finished, changes={"train": {"settings": {"steps": 13}}})
    assert recipe["train"] == 2
    assert not {"fetch", "verify", "lr", "pack"} & set(recipe)
    protocol = planned(finished, changes={"protocols": ["rgb8", "super-image", "luma8"]})
    assert protocol["score"] == 4
    assert not {"fetch", "verify", "lr", "pack", "train", "upscale"} & set(protocol)


def test_two_runs_are_byte_identical_and_so_is_a_killed_one(finished, tmp_path):
    """SIGKILL to everything at several moments; each restart goes on, and the last one ends as if nothing happened."""
    killed = 0
    for seconds in (8, 14, 20):
        process = subprocess.Popen(
            command(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed, "the first run was over before it could be killed"
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (folder / "results/tiny" for folder in (finished, tmp_path))
    weights = [f"weights/rcan-bam-xs_x{scale}.safetensors" for scale in (2, 3)]
    figures = [str(p.relative_to(first)) for p in sorted(first.glob("figures/*")) if p.suffix in {".png", ".pdf"}]
    assert figures
    for name in ["grid.csv", "scores.csv", *weights, *figures]:
        assert filecmp.cmp(first / name, second / name, shallow=False), name


def test_given_weights_are_used_under_any_name(finished):
    weights = {"my_own_x2_model": str(finished / "results/tiny/weights/rcan-bam-xs_x{scale}.safetensors")}
    jobs = planned(finished, changes={"run": "own", "methods": ["bicubic", "my_own_x2_model"], "weights": weights})
    assert jobs["upscale"] == 6
    assert jobs["score"] == 4
    assert "train" not in jobs


def test_a_metric_of_ones_own_is_a_column(tmp_path):
    """From a module that is not srgrid's, beside PSNR and SSIM."""
    changes = {"methods": ["bicubic"], "scales": [2], "protocols": ["rgb8"], "audit": False}
    changes |= {"metrics": ["psnr", "ssim", "toy_metric:MAE"], "figures": {"images": 1}}
    done = run(tmp_path, changes=changes, PYTHONPATH=str(ROOT / "tests/report"))
    assert done.returncode == 0, done.stderr
    results = tmp_path / "results" / "tiny"
    assert all(0 < float(row["mae"]) < 20 for row in read(results / "scores.csv"))
    assert "MAE (levels, lower is better) on RGB" in (results / "model_card.md").read_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": {"stepz": 3}}, "train.stepz: unknown key"),
        ({"scales": [1]}, "scales.0"),
        ({"methods": ["bicubic", "rcan-bamm"]}, "unknown model 'rcan-bamm'"),
        ({"protocols": ["psnr-y"]}, "unknown protocol 'psnr-y'"),
        ({"datasets": ["Set6"]}, "Set6"),
    ],
)
def test_a_wrong_config_is_one_clear_message(tmp_path, changes, words):
    done = run(tmp_path, changes=changes)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "results").exists()


def test_a_second_run_in_the_same_folder_is_refused(finished):
    import fcntl

    with (finished / ".snakemake/srgrid.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = run(finished, "--forcerun", "grid")
    assert done.returncode != 0
    assert "another srgrid run is at work" in done.stdout + done.stderr


@pytest.mark.parametrize(("words", "limit"), [([], "none"), (["--max-jobs-per-timespan", "7/1s"], "7 in 1 s")])
def test_the_scheduler_does_not_wake_itself_for_a_limit_that_nobody_set(finished, tmp_path, words, limit):
    (tmp_path / "Snakefile").write_text(
        f"""include: {str(ROOT / "Snakefile")!r}

onsuccess:
    own = workflow.scheduler.job_rate_limiter
    print("limit:", f"{{own.max_jobs}} in {{own.timespan:g}} s" if own else "none")
"""
    )
    done = run(finished, "--forcerun", "provenance", "--until", "provenance", *words, snakefile=tmp_path / "Snakefile")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"limit: {limit}\n" in done.stdout


def test_what_make_demo_prints_is_results_and_errors(tmp_path):
    """Half of its lines were two of Snakemake's, again and again, that `--quiet progress` did not cover."""
    recipe = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "config/demo.yaml" in line)
    quiet = recipe[recipe.index("--quiet") :].split()
    lr = tmp_path / "resources/LR/matlab/sample/x2"
    sr = "results/tiny/SR/bicubic/matlab-8bit/sample/x2"
    said = {}
    for words in ([], quiet):
        done = run(tmp_path, str(lr.relative_to(tmp_path)), "--force", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        said[bool(words)] = done.stdout + done.stderr
    for line in ("Select jobs to execute...", "Execute 1 jobs..."):
        assert line in said[False]
        assert line not in said[True]
    assert "LR x2 matlab resources/HR/sample: 4 done" in said[True]

    (lr / "chelsea.png").write_bytes((lr / "chelsea.png").read_bytes()[:2000])
    failed = run(tmp_path, sr, *quiet)
    assert failed.returncode != 0
    assert "x2/chelsea.png: unreadable or truncated image" in failed.stdout + failed.stderr
    assert not (tmp_path / sr).exists()


SET5 = {
    "run": "set5",
    "datasets": ["Set5"],
    "scales": [2, 3, 4],
    "methods": ["bicubic"],
    "protocols": ["luma8"],
    "audit": True,
    "figures": {"show": {"Set5": {"butterfly": [90, 60, 64, 64], "bird": None}}, "whole": False},
}


@pytest.mark.mirror
def test_set5_gives_the_cards_bicubic_column(mirror, tmp_path):
    done = run(tmp_path, changes=SET5, SRGRID_MIRROR=str(mirror))
    assert done.returncode == 0, done.stdout + done.stderr
    results = tmp_path / "results/set5"
    cells = [f"{float(row['psnr']):.2f}/{float(row['ssim']):.4f}" for row in read(results / "grid.csv")]
    assert cells == ["33.64/0.9292", "30.39/0.8678", "28.42/0.8101"]
    verdicts = [row["verdict"] for row in read(results / "audit.csv") if "card" in row["source"] and row["remade"]]
    assert verdicts == ["reproduced"] * 3
    shown = json.loads((results / "figures/Set5_x4.json").read_text())["images"]
    assert [image["image"] for image in shown] == ["butterfly", "bird"]
    assert shown[0]["crop"] == [90, 60, 64, 64]
    card = run(tmp_path, "--forcerun", "card", "--until", "card", changes=SET5, SRGRID_MIRROR=str(mirror))
    assert card.returncode == 0, card.stdout + card.stderr
    assert "rule fetch" not in card.stdout + card.stderr


@pytest.mark.mirror
@pytest.mark.parametrize("damage", ["pixel", "swap", "jpeg"])
def test_a_damaged_mirror_stops_the_run_before_scoring(mirror, tmp_path, damage):
    folder = tmp_path / "mirror/Set5/HR"
    shutil.copytree(mirror / "Set5/HR", folder)
    if damage == "pixel":
        image = images.read(folder / "head.png").copy()
        image[100, 100, 1] ^= 1
        images.write(folder / "head.png", image)
    elif damage == "swap":
        (folder / "head.png").rename(folder / "x.png")
        (folder / "bird.png").rename(folder / "head.png")
        (folder / "x.png").rename(folder / "bird.png")
    else:
        Image.open(folder / "head.png").save(folder / "head.jpg", quality=95)
        (folder / "head.png").unlink()
    done = run(tmp_path, changes=SET5, SRGRID_MIRROR=str(folder.parents[1]))
    assert done.returncode != 0
    assert "head" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(tmp_path.glob("results/set5/scores/*"))
