"""A step that fails stops the run with its own message, and nothing that it left is taken for a result."""

import fcntl
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from running import ROOT, planned, run

from srgrid import images

GATED = {"audit": True, "scales": [2]}


@pytest.fixture(scope="module")
def gated(finished, tmp_path_factory):
    """A finished run with an audit."""
    folder = tmp_path_factory.mktemp("gated") / "run"
    shutil.copytree(finished, folder)
    done = run(folder, changes=GATED)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def copy(gated, tmp_path):
    shutil.copytree(gated, tmp_path / "run")
    return tmp_path / "run"


def darken(file):
    """Blacken the upper half of an image."""
    image = images.read(file).copy()
    image[: len(image) // 2] = 0
    images.write(file, image)


def an_image(folder):
    return images.list_images(folder)[0]


def wrong_mirror(folder):
    images.write(folder / "mirror/sample/HR/astronaut.png", np.zeros((64, 64, 3), np.uint8))


def unverified(folder):
    darken(folder / "resources/HR/sample/astronaut.png")
    shutil.rmtree(folder / "resources/verified")


def torn_weights(folder):
    (folder / "results/tiny/weights/rcan-bam-xs_x2.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")


def change_last_byte(file):
    """Under the old date."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    then = file.stat()
    file.write_bytes(content)
    os.utime(file, ns=(then.st_atime_ns, then.st_mtime_ns))


def other_weights(folder):
    change_last_byte(folder / "results/tiny/weights/rcan-bam-xs_x2.safetensors")


def torn_hr(folder):
    change_last_byte(folder / "resources/pack/sample-train.srhr")


def torn_images(folder):
    """SR images of another program, cut short."""
    for scale in (2, 3):
        for file in images.list_images(folder / "resources/HR/sample"):
            torn = folder / f"theirs/x{scale}/{file.name}"
            torn.parent.mkdir(parents=True, exist_ok=True)
            torn.write_bytes(file.read_bytes()[:500])


def edit(name):
    """Raise one digit of a table."""

    def change(folder):
        file = folder / "results/tiny" / name
        head, *rows = file.read_text().splitlines()
        words = rows[0].split(",")
        words[5] = f"{float(words[5]) + 1:.6f}"
        file.write_text("\n".join([head, ",".join(words), *rows[1:], ""]))

    return change


def bad_template(folder):
    (folder / "templates").mkdir()
    (folder / "templates/card.md.j2").write_text("{{ no_such_value }}")


def torn_preview(folder):
    """In its place: no file is newer than what it is made of, so that no other rule runs before."""
    picture = next((folder / "results/tiny/previews").rglob("*_hr.webp"))
    then = picture.stat()
    with picture.open("r+b") as file:
        file.seek(64)
        file.write(b"torn")
    os.utime(picture, ns=(then.st_atime_ns, then.st_mtime_ns))


SR = "results/tiny/SR/bicubic/matlab-8bit/sample/x2"
CELL = "scores/rgb8/sample_x2_bicubic.csv"
# Rule: what is done to a finished run, changes of the config, and words of the message that has to come.
FAULTS = {
    "fetch": (wrong_mirror, {}, "does not hold the benchmark's"),
    "verify": (unverified, {}, "not fit for a benchmark run"),
    "lr": (lambda f: darken(an_image(f / "resources/HR/sample")), {}, "other pixels"),
    "pack_hr": (lambda f: darken(an_image(f / "resources/HR/sample-train")), {}, "other pixels"),
    "pack": (torn_hr, {}, "sample-train.srhr: damaged file of HR images"),
    "train": (lambda f: None, {"train": {"settings": {"patch": 4000}}}, "lower the patch"),
    "upscale": (torn_weights, {}, "rcan-bam-xs_x2.safetensors"),
    "upscale_float": (torn_weights, {}, "rcan-bam-xs_x2.safetensors"),
    "sr": (
        torn_images,
        {"methods": ["bicubic", "rcan-bam-xs", "theirs"], "sr": {"theirs": "theirs/x{scale}"}},
        "images cannot be used",
    ),
    "score": (lambda f: an_image(f / SR).unlink(), {}, "matlab-8bit/sample/x2: not as it was made"),
    "score_choices": (lambda f: an_image(f / SR).unlink(), {}, "matlab-8bit/sample/x2: not as it was made"),
    "grid": (edit(CELL), {}, "sample_x2_bicubic.csv: edited or damaged"),
    "figure": (edit("scores.csv"), {}, "scores.csv: edited or damaged"),
    "provenance": (other_weights, {}, "rcan-bam-xs_x2.safetensors: other bytes"),
    "cost": (torn_weights, {}, "rcan-bam-xs_x2.safetensors"),
    "audit": (edit("grid.csv"), {}, "grid.csv: edited or damaged"),
    "verify_run": (torn_preview, {}, "previews"),
    "card": (bad_template, {"templates": "templates"}, "card.md.j2"),
}


@pytest.mark.parametrize("rule", FAULTS)
def test_each_rule_fails_with_its_own_message_and_leaves_no_output(copy, rule):
    sabotage, changes, words = FAULTS[rule]
    sabotage(copy)
    mirror = {"SRGRID_MIRROR": str(copy / "mirror")} if rule == "fetch" else {}
    # No part of a run; in a copy, whose path is another, the provenance would be written again before.
    only = [rule, "--allowed-rules", rule] if rule == "verify_run" else ["--until", rule]
    done = run(copy, *only, "--forcerun", rule, changes={**GATED, **changes}, **mirror)
    text = done.stdout + done.stderr
    assert done.returncode != 0, text
    assert words in text
    assert "completed successfully" not in text
    assert "Traceback" not in text
    failed = re.findall(rf"Error in rule {rule}:\n(?:.*\n)*? +output: (.+)", text)
    assert failed
    assert not [name for line in failed for name in line.split(", ") if (copy / name).exists()]


def test_every_rule_that_runs_a_command_is_made_to_fail():
    named = {
        line.split()[-1 if "use rule" not in line else 4].rstrip(":").replace("with", "")
        for file in (ROOT / "workflow/rules").glob("*.smk")
        for line in file.read_text().splitlines()
        if line.lstrip().startswith(("rule ", "use rule "))
    }
    assert named == set(FAULTS)


def test_images_damaged_after_fetch_stop_the_run_before_it_scores_them(copy):
    darken(copy / "resources/HR/sample/astronaut.png")
    for folder in ("resources/verified", "resources/LR", "results/tiny"):
        shutil.rmtree(copy / folder)
    done = run(copy, changes=GATED)
    assert done.returncode != 0
    assert "not fit for a benchmark run" in done.stdout + done.stderr
    assert not list(copy.glob("results/tiny/scores/*/*.csv"))


def test_images_damaged_after_verify_are_not_scored(copy):
    darken(copy / "resources/HR/sample/astronaut.png")
    done = run(copy, "--forcerun", "score", changes=GATED)
    assert done.returncode != 0
    assert "astronaut.png: other pixels" in done.stdout + done.stderr


def test_weights_replaced_under_an_old_date_are_noticed(copy):
    given = copy / "own_x2.safetensors"
    shutil.copy(ROOT / "models/rcan-bam-s_x2.safetensors", given)
    own = {**GATED, "audit": False, "run": "own", "methods": ["bicubic", "own"], "weights": {"own": str(given)}}
    assert run(copy, changes=own).returncode == 0
    assert planned(copy, changes=own) == {}
    then = given.stat()
    shutil.copy(ROOT / "models/rcan-s_x2.safetensors", given)
    os.utime(given, ns=(then.st_atime_ns, then.st_mtime_ns))
    assert planned(copy, changes=own)["upscale"] == 1


def a_mirror(folder, photographs, count=2):
    for name in list(photographs)[:count]:
        images.write(folder / f"Own/HR/{name}.png", photographs[name][:96, :120])
    return folder


def test_a_mirror_that_changes_or_moves_is_noticed(tmp_path, photographs):
    own = {"datasets": ["Own"], "methods": ["bicubic"], "protocols": ["rgb8"], "scales": [2]}
    mirror = a_mirror(tmp_path / "mirror", photographs)
    first = run(tmp_path, changes=own, SRGRID_MIRROR=str(mirror))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "fetch" not in planned(tmp_path, changes=own, SRGRID_MIRROR=str(mirror))
    grid = (tmp_path / "results/tiny/grid.csv").read_bytes()

    other = a_mirror(tmp_path / "other", photographs)
    darken(other / "Own/HR/astronaut.png")
    assert planned(tmp_path, changes=own, SRGRID_MIRROR=str(other))["fetch"] == 1

    images.write(mirror / "Own/HR/more.png", photographs["coffee"][:96, :120])
    assert planned(tmp_path, changes=own, SRGRID_MIRROR=str(mirror))["fetch"] == 1
    (mirror / "Own/HR/more.png").unlink()

    darken(mirror / "Own/HR/astronaut.png")
    second = run(tmp_path, changes=own, SRGRID_MIRROR=str(mirror))
    assert second.returncode == 0, second.stdout + second.stderr
    assert (tmp_path / "results/tiny/grid.csv").read_bytes() != grid


def test_templates_and_code_that_change_are_noticed(finished, tmp_path):
    templates = tmp_path / "templates"
    shutil.copytree(ROOT / "src/srgrid/report/templates", templates)
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    changes = {"templates": str(templates)}
    assert run(folder, "--until", "card", changes=changes).returncode == 0
    assert planned(folder, changes=changes) == {}
    file = templates / "card.md.j2"
    then = file.stat()
    file.write_text(file.read_text() + "A word of ours.\n")
    os.utime(file, ns=(then.st_atime_ns, then.st_mtime_ns))
    assert set(planned(folder, changes=changes)) - {"total", "all"} == {"card"}


def test_a_result_of_other_code_is_made_again(finished, tmp_path):
    """The whole project is copied, and one comment in the resizer changed: all that it reaches is planned again."""
    project = tmp_path / "project"
    for name in ("src", "workflow", "config", "models", "profiles"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, project / name)
    made = {"lr", "pack", "upscale", "score"}
    assert not made & set(planned(finished, snakefile=project / "Snakefile"))
    with (project / "src/srgrid/resize.py").open("a") as file:
        file.write("# another version\n")
    assert made <= set(planned(finished, snakefile=project / "Snakefile"))


def test_values_of_the_command_line_get_their_types(finished):
    words = ["--config", "scales=[2]", "compute={threads: 1}", "audit=false", "run=2024"]
    done = run(finished, "--dry-run", *words)
    assert done.returncode == 0, done.stderr
    assert "results/2024/" in done.stdout + done.stderr


def test_a_mirror_that_is_gone_is_one_clear_message(finished, tmp_path):
    done = run(finished, "--dry-run", SRGRID_MIRROR=str(tmp_path / "gone"))
    assert done.returncode != 0
    assert "gone: there is no such folder" in done.stdout + done.stderr


def test_a_file_system_without_locks_is_a_warning(monkeypatch, tmp_path, capsys):
    import errno

    from srgrid.lock import hold

    def refuse(*arguments):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (tmp_path / "lock").open("w") as file:
        assert hold(file, wait=False)
        assert hold(file, wait=True)
    assert "lock" in capsys.readouterr().err


def test_the_profile_has_the_name_that_all_of_snakemake_9_know():
    assert [file.name for file in Path(ROOT / "profiles/default").iterdir()] == ["config.yaml"]
    assert 'min_version("9.0")' in (ROOT / "workflow/Snakefile").read_text()


def test_a_checkpoint_whose_range_nothing_tells_is_used_once_the_config_says_it(finished, tmp_path):
    """Plain channel attention without a mean shift: asked for, then used, and recorded to the end of the run."""
    import json

    import torch

    from srgrid.models.rcan import Rcan
    from srgrid.networks import RcanConfig

    torch.manual_seed(0)
    state = Rcan(RcanConfig(2, 1, 1, 16, 4, "ca")).state_dict()
    torch.save({k: v for k, v in state.items() if "_mean." not in k}, tmp_path / "own_x2.pt")
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    given = {"methods": ["bicubic", "own"], "weights": {"own": str(tmp_path / "own_x{scale}.pt")}, "scales": [2]}
    done = run(folder, changes={**given, "run": "own"})
    assert done.returncode != 0
    assert "rgb_range" in done.stdout + done.stderr
    done = run(folder, changes={**given, "run": "own", "upscale": {"rgb_range": {"own": 1}}})
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((folder / "results/own/provenance.json").read_text())["weights"]["own x2"]
    assert record["config"]["rgb_range"] == 1
