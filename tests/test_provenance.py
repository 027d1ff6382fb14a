import ast
import hashlib
import json
import shutil
import subprocess

import pytest

from srgrid import code, environment, images, provenance
from srgrid.errors import SrgridError
from srgrid.files import write_manifest
from srgrid.records import TABLE_NAMES, file_digest, write_record


def git(folder, *words):
    subprocess.run(["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.org", *words], check=True)


def test_commit_names_the_tree_and_says_when_it_was_changed(tmp_path):
    assert environment.commit(tmp_path) is None
    git(tmp_path, "init", "-q")
    for name in ("code.py", "results/grid.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "start")
    clean = environment.commit(tmp_path)
    assert clean is not None
    assert len(clean) == 40
    (tmp_path / "results/grid.csv").unlink()
    assert environment.commit(tmp_path) == clean, "what a run makes again is no change of the code"
    (tmp_path / "code.py").write_text("2\n")
    assert environment.commit(tmp_path) == clean + "-dirty"


def test_digests_are_of_files_and_of_sets_of_pixels(photo_dir, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abc")
    assert file_digest(tmp_path / "a.txt") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(SrgridError, match="absent"):
        file_digest(tmp_path / "absent")
    write_manifest(photo_dir, {"step": "test"}, images.describe_folder(photo_dir))
    before = provenance.set_digest(photo_dir)
    assert before["images"] == 4
    image = images.read(photo_dir / "camera.png").copy()
    image[0, 0] ^= 1
    images.write(photo_dir / "camera.png", image)
    write_manifest(photo_dir, {"step": "test"}, images.describe_folder(photo_dir))
    assert provenance.set_digest(photo_dir) != before


def test_the_record_has_what_is_needed_to_make_a_run_again(photo_dir, tmp_path):
    write_manifest(photo_dir, {"step": "test"}, images.describe_folder(photo_dir))
    for name in ("grid.csv", "scores.csv", "intervals.csv"):
        (tmp_path / name).write_text(f"{name}\n")
    out = tmp_path / "provenance.json"
    empty = {"methods": {}, "lr": {}, "hr": {}, "protocols": {}, "code": {}, "devices": {}}
    digests = {name: file_digest(tmp_path / name) for name in TABLE_NAMES}
    write_record(tmp_path / "tables.json", "tables", {"sha256": digests, **empty})
    provenance.write_provenance(out, {"run": "x"}, [photo_dir], {}, [], "snakemake --cores 8")
    record = json.loads(out.read_text())
    assert record["config"] == {"run": "x"}
    assert record["outputs"]["grid.csv"] == hashlib.sha256(b"grid.csv\n").hexdigest()
    assert record["versions"]["numpy"] != "not installed"
    assert record["hardware"]["cores"] >= 1
    assert record["inputs"]["HR"]["images"] == 4


def forget():
    """Read all sources again."""
    for function in (code.code_identity, code._source, code._named, code._data_files):
        function.cache_clear()


def test_a_steps_code_is_known_by_all_that_it_reaches(tmp_path, monkeypatch):
    lr, network = code.code_identity("srgrid.degrade"), code.code_identity("srgrid.upscale")
    assert "torch" not in lr
    assert {"torch", "numpy", "pillow"} <= network.keys()
    copy = tmp_path / "srgrid"
    shutil.copytree(code.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", copy)
    forget()
    assert code.code_identity("srgrid.degrade") == lr
    with (copy / "resize.py").open("a") as file:  # reached through degrade's imports, not named by anyone
        file.write("# another\n")
    forget()
    assert code.code_identity("srgrid.degrade")["source"] != lr["source"]
    forget()


@pytest.mark.parametrize(
    ("module", "data"),
    [
        ("srgrid.choices", "choices.yaml"),
        ("srgrid.data.fetch", "data/registry.yaml"),
        ("srgrid.data.verify", "data/digests/Set5.csv"),
        ("srgrid.degrade", "data/digests/Set14.csv"),
        ("srgrid.report.audit", "report/published.yaml"),
        ("srgrid.report.card", "report/templates/prose.j2"),
    ],
)
def test_data_files_are_code(module, data):
    files, _ = code._reach(module)
    assert code.PACKAGE / data in files


@pytest.mark.parametrize(
    ("step", "file", "counts"),
    [
        ("srgrid.upscale", "models/history.py", False),
        ("srgrid.upscale", "models/card.py", False),
        ("srgrid.upscale", "models/model_card.md.j2", False),
        ("srgrid.upscale", "data/registry.yaml", False),
        ("srgrid.degrade", "data/registry.yaml", False),
        ("srgrid.scoring", "data/registry.yaml", False),
        ("srgrid.report.card", "models/history.py", True),
        ("srgrid.report.card", "models/card.py", True),
        ("srgrid.report.card", "data/registry.yaml", True),
        ("srgrid.upscale", "models/attention.py", True),
        ("srgrid.upscale", "models/hub.py", True),
        ("srgrid.scoring", "data/digests/Urban100.csv", True),
    ],
)
def test_what_cards_say_and_the_registry_make_no_pixel_and_no_score(step, file, counts):
    """A word more in a card, or one more data set, does not make every column again."""
    assert (code.PACKAGE / file in code._reach(step)[0]) == counts


def test_reading_imports_by_pattern_finds_what_a_parser_finds():
    for file in code.PACKAGE.rglob("*.py"):
        expected, texts = set(), set()
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                expected |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                expected |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
        imports, data = code._named(file)
        assert set(imports) == expected, file
        named = {path for path in code._data_files(file.parent) if texts & set(path.relative_to(file.parent).parts)}
        assert named <= set(data), file
