"""Every command, YAML block and Python block of the documents is run or parsed; one that no rule handles fails."""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import blocks
import click
import numpy as np
import pytest
import yaml
from blocks import PAGES, ROOT, Piece

from srgrid import config as configuration
from srgrid import images
from srgrid.cli import app
from srgrid.data import digests, registry
from srgrid.metrics import METRICS
from srgrid.networks import names as model_names
from srgrid.plan import COMPUTED
from srgrid.protocols import get_protocol, protocols
from srgrid.train import RECIPES, TrainConfig, recipe

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
DEFAULTS = yaml.safe_load((ROOT / "config.yaml").read_text())
BLOCKS = {page: blocks.fenced(page) for page in PAGES}
COMMAND_SPANS = [*blocks.command_spans(), *blocks.comment_commands("config.yaml")]
LANGUAGES = ("bash", "python", "yaml", "text")
RECORDED = (
    "srgrid",
    "snakemake",
    "make",
    "python",
    "torchrun",
    "pip",
)  # what a bash block may call, beside the shell's own


# The names that the documents use


@pytest.fixture
def workspace(tmp_path: Path, photographs: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the names that the documents use exist, as the current folder."""
    parts = {name: photo[40:184, 60:204] for name, photo in photographs.items()}
    for folder in ("HR_DIR", "MORE_HR_DIR", "ANY_FOLDER", "BSDS400/HR", "SunHays80/HR"):
        for name, part in parts.items():
            images.write(tmp_path / folder / f"{folder[0]}_{name}.png", part)
    images.write(tmp_path / "photo.png", parts["chelsea"][:48, :56])
    images.write(tmp_path / "resources/HR/sample/chelsea.png", parts["chelsea"])
    _make_mirror(tmp_path / "mirror")
    rows = [digests.digest_rows(f"street_{k:02d}", "", np.roll(parts["coffee"], k, axis=0)) for k in range(1, 21)]
    digests.write_digests(tmp_path / "street.csv", [row for image in rows for row in image])
    shutil.copytree(ROOT / "results/sample", tmp_path / "results/sample")
    shutil.copytree(
        ROOT / "results/published", tmp_path / "results/published", ignore=shutil.ignore_patterns("figures")
    )
    shutil.copy(ROOT / "README.md", tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/activate").touch()
    for name, place in (("SRGRID_MIRROR", "mirror"), ("SRGRID_CACHE", "cache"), ("HF_HOME", "hub")):
        monkeypatch.setenv(name, str(tmp_path / place))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _make_mirror(mirror: Path) -> None:
    """DIV2K: 800 files of one small image. No digests are known of it, so it is held to its number of images."""
    first = mirror / "DIV2K/HR/0001.png"
    images.write(first, np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3))
    for number in range(2, 801):
        first.with_name(f"{number:04d}.png").hardlink_to(first)


# The blocks of a page, run in order in one folder


def test_every_block_has_a_rule():
    for page in PAGES:
        for block in BLOCKS[page]:
            assert block.language in LANGUAGES, f"{block}: no rule for a block of language {block.language!r}"
            if block.language == "text":
                first = [line.split()[0] for line in block.text.splitlines() if line.strip()]
                assert not set(first) & set(blocks.COMMANDS), f"{block}: commands in a block that nothing runs"
    assert sum(block.language != "text" for page in PAGES for block in BLOCKS[page]) >= 10


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCKS[page]])
def test_the_blocks_of_a_page_run(page: str, workspace: Path):
    names: dict[str, Any] = {}
    rules = {"bash": run_bash, "yaml": check_config, "python": lambda block: run_python(block, names)}
    printed = ""
    for block in BLOCKS[page]:
        if block.language == "text" and printed:
            assert printed.startswith(block.text), f"{block}: the commands above print\n{printed}"
        with contextlib.redirect_stdout(io.StringIO()) as out:
            if block.language in rules:
                rules[block.language](block)
        printed = out.getvalue() if block.language == "bash" else ""


def run_bash(block: Piece) -> None:
    """Run a block in bash with recorders in place of our programs, then each recorded call by its own rule."""
    for call in record(block):
        rules = {"srgrid": run_srgrid, "snakemake": check_snakemake, "make": check_make, "pip": check_pip}
        rules[call[0]](block, call[1:])


def record(block: Piece) -> list[list[str]]:
    """The calls of a bash block, in order, as words. Fails if it calls anything else, or is no bash."""
    calls = Path("calls.jsonl")
    calls.write_text("")
    code = f"import json, sys; print(json.dumps(sys.argv[1:]), file=open({str(calls.resolve())!r}, 'a'))"
    head = [f'{name}() {{ {shlex.quote(sys.executable)} -c {shlex.quote(code)} {name} "$@"; }}' for name in RECORDED]
    script = "\n".join(["set -euo pipefail", *head, "export PATH=", block.text])
    done = subprocess.run(["bash", "-c", script], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{block}: {done.stderr}"
    return [json.loads(line) for line in calls.read_text().splitlines()]


def run_srgrid(block: Piece, words: list[str]) -> None:
    """Run a command of ours in this process; a training takes two steps of the smallest recipe."""
    if words[0] == "train" and "--help" not in words:
        words = [*words, "--recipe", "demo", "--steps", "2"]
    try:
        app(words, standalone_mode=False)
    except (click.ClickException, SystemExit) as error:
        pytest.fail(f"{block}: srgrid {shlex.join(words)}: {error}")


def run_python(block: Piece, names: dict[str, Any]) -> None:
    """Run a Python block; `expression  # value` is compared with the value where that is a literal.

    A block whose first line is `# name.py` is that file.
    """
    lines = block.text.splitlines()
    if file := re.fullmatch(r"# (\w+\.py)", lines[0]):
        Path(file[1]).write_text(block.text)
    for node in ast.parse(block.text).body:
        code = ast.unparse(node)
        if not isinstance(node, ast.Expr):
            exec(compile(code, str(block), "exec"), names)
            continue
        value = eval(compile(code, str(block), "eval"), names)
        comment = lines[node.end_lineno - 1][node.end_col_offset :].strip().removeprefix("# ")
        try:
            said = ast.literal_eval(comment)
        except (ValueError, SyntaxError):
            continue
        assert value == said, f"{block}: {code} is {value}, not {said}"


# Configs


def check_config(block: Piece) -> None:
    """Lay YAML over config.yaml, and check it as a run does: schema, protocols, data sets, methods, training."""
    given = yaml.safe_load(block.text)
    assert isinstance(given, dict), f"{block}: no mapping"
    if given.keys() <= vars(get_protocol("rgb8", protocols())).keys():  # fields of a protocol
        assert protocols({"shown": given}), block
        return
    if not given.keys() & DEFAULTS.keys():  # settings of a training
        assert recipe("default", **given), block
        return
    merged = laid_over(DEFAULTS, {key: value for key, value in given.items() if value is not None})
    configuration.check(merged, SCHEMA)
    defined = protocols(merged["define_protocols"])
    for name in merged["protocols"]:
        get_protocol(name, defined)
    known = registry.load_registry(merged["define_datasets"])
    assert set(merged["datasets"]) <= set(known), block
    assert all(entry.known is not None for entry in known.values()), block
    columns = {*COMPUTED, *merged["weights"], *merged["sr"], *model_names()}
    assert set(merged["methods"]) <= columns, block


def laid_over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(base)
    for key, value in changes.items():
        made[key] = (
            laid_over(made[key], value) if isinstance(value, dict) and isinstance(made.get(key), dict) else value
        )
    return made


@pytest.mark.parametrize("piece", blocks.yaml_spans(), ids=str)
def test_yaml_in_running_text_is_a_config(piece: Piece, workspace: Path):
    check_config(piece)


@pytest.mark.parametrize(("place", "path", "value"), blocks.comment_examples("config.yaml"))
def test_examples_in_the_comments_of_the_config_are_valid(place: str, path: tuple[str, ...], value: Any):
    changes = value
    for key in reversed(path):
        changes = {key: changes}
    merged = laid_over(DEFAULTS, changes)
    configuration.check(merged, SCHEMA)
    protocols(merged["define_protocols"])
    if path == ("train", "settings"):
        assert recipe(merged["train"]["recipe"], **value), place


def test_examples_in_comments_are_found():
    keys = {path[-1] for _, path, _ in blocks.comment_examples("config.yaml")}
    assert {"define_protocols", "weights", "settings", "show"} <= keys | {"define_datasets"}
    assert len(blocks.comment_examples("config.yaml")) >= 4


# Snakemake and make


def without_executor(word: str, folder: Path) -> str:
    """A profile, copied without the executor that an extra brings; any other word as it is."""
    profile = Path(word) / "config.yaml"
    if Path(word).parent.name != "profiles" or not profile.is_file():
        return word
    kept = {key: value for key, value in yaml.safe_load(profile.read_text()).items() if key != "executor"}
    (folder / profile.name).write_text(yaml.safe_dump(kept))
    return str(folder)


def check_snakemake(piece: Piece, words: list[str]) -> Any:
    """Parse with Snakemake's own parser; return what it makes of the words."""
    from snakemake.cli import parse_args

    with contextlib.chdir(ROOT), tempfile.TemporaryDirectory() as folder:
        _, given = parse_args([without_executor(word, Path(folder)) for word in words])
    assert given.cores or given.report or given.delete_all_output, f"{piece}: says no --cores"
    for file in given.configfile or []:
        assert (ROOT / file).is_file(), f"{piece}: {file} is taken for a config file; targets go before --configfile"
    unknown = set(given.targets) - rule_names()
    assert not unknown, f"{piece}: no such target: {unknown}"
    return given


def test_the_runs_that_the_documents_name_can_be_planned(shelf_weights: Path):
    """All targets that are named with one set of config files, in one dry run without mirror and without network."""
    runs: dict[tuple[str, ...], set[str]] = {}
    lines = [
        Piece(page, block.line, "", line)
        for page in PAGES
        for block in BLOCKS[page]
        for line in block.text.splitlines()
    ]
    lines += [Piece("Makefile", 0, "", line.removeprefix(".venv/bin/")) for line in made("demo")]
    for piece in [*lines, *COMMAND_SPANS]:
        if piece.text.startswith("snakemake "):
            given = check_snakemake(piece, shlex.split(piece.text, comments=True)[1:])
            if not given.report:  # that needs a finished run; tests/workflow makes one
                runs.setdefault(tuple(map(str, given.configfile or [])), set()).update(given.targets or ["all"])
    assert len(runs) == 4, runs
    environment = {key: value for key, value in os.environ.items() if key != "SRGRID_MIRROR"}
    for files, targets in runs.items():
        words = [*sorted(targets), "--cores", "2", *(["--configfile", *files] if files else [])]
        head = [sys.executable, "-m", "snakemake", "--dry-run", "--directory", str(shelf_weights)]
        done = subprocess.run(
            [*head, *words], check=False, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=200
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        assert "This was a dry-run" in done.stdout + done.stderr, words
        trains = re.search(r"^train +\d+$", done.stdout + done.stderr, re.M)
        assert bool(trains) == (files not in (("config/published.yaml",), ("config/shelf.yaml",))), words


def rule_names() -> set[str]:
    files = [ROOT / "workflow/Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    return {name for file in files for name in re.findall(r"^rule (\w+):", file.read_text(), re.M)}


def check_make(piece: Piece, words: list[str]) -> None:
    """Targets and variables are the Makefile's; what a target calls is checked as if it stood in the document."""
    text = (ROOT / "Makefile").read_text()
    for word in words:
        name, equals, _ = word.partition("=")
        known = rf"^{name} \?=" if equals else rf"^\.PHONY:.*\b{name}\b"
        assert re.search(known, text, re.M), f"{piece}: the Makefile has no {name}"
    assert made(*words), piece


def made(*words: str) -> list[str]:
    """The commands that make would run."""
    done = subprocess.run(["make", "-n", *words], check=False, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


# Commands in running text


@pytest.mark.parametrize("piece", COMMAND_SPANS, ids=str)
def test_a_command_in_running_text_can_be_typed(piece: Piece, workspace: Path):
    words = shlex.split(piece.text)
    {
        "snakemake": check_snakemake,
        "make": check_make,
        "srgrid": check_usage,
        "python": check_script,
        "pip": check_pip,
        "torchrun": lambda piece, words: check_usage(piece, words[words.index("srgrid") + 1 :]),
    }[words[0]](piece, words[1:])


def test_commands_in_running_text_are_found():
    assert {piece.text.split()[0] for piece in COMMAND_SPANS} >= {"srgrid", "snakemake", "make", "python", "torchrun"}


def check_usage(piece: Piece, words: list[str]) -> None:
    """A command of ours, perhaps with `...` or names in capitals for what is left open: it and its options exist."""
    command: Any = app
    while hasattr(command, "commands"):
        assert words[:1] and words[0] in command.commands, f"{piece}: srgrid has no command {words[:1]}"  # noqa: PT018
        command, words = command.commands[words[0]], words[1:]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        assert not word.startswith("--") or word in {*options, "--help"}, f"{piece}: no option {word}"


def check_pip(piece: Piece, words: list[str]) -> None:
    """An installation of this package: its extras are those of pyproject.toml."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found = re.fullmatch(r"(?:\.|srgrid)(?:\[([\w,]+)\])?", words[-1])
    assert words[0] == "install", piece
    assert found, piece
    assert set(filter(None, (found[1] or "").split(","))) <= set(extras), piece


def check_script(piece: Piece, words: list[str]) -> None:
    """A script of the repository: it is there, and its text names every option."""
    script = ROOT / words[0]
    assert script.is_file(), f"{piece}: there is no {words[0]}"
    for word in words[1:]:
        assert not word.startswith("--") or word in script.read_text(), f"{piece}: {words[0]} has no {word}"


# Other names in running text


@pytest.mark.parametrize("page", PAGES)
def test_names_in_running_text_exist(page: str):
    for piece in blocks.spans(page):
        first = piece.text.split()[0]
        if re.match(r"(src|tests|tools|benchmarks|config|workflow|docs|models|envs)/", first):
            assert list(ROOT.glob(first.rstrip("/"))), f"{piece}: there is no {first}"
            check_script(piece, piece.text.split()) if first.endswith(".py") else None
        if dotted := re.match(r"srgrid((?:\.\w+)+)", first):
            find(dotted[0])
        if re.fullmatch(r"SRGRID_[A-Z_]+(=\S+)?", first):
            assert in_source(first.partition("=")[0]), f"{piece}: nothing reads {first}"
    for piece in blocks.links(page):
        assert (ROOT / piece.page).parent.joinpath(piece.text).exists(), f"{piece}: the link {piece.text} leads nowhere"


def find(name: str) -> Any:
    """What a dotted name means. Fails if it means nothing."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise AssertionError(name)


def in_source(word: str) -> bool:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests/fuzz").glob("*.py")]
    return any(word in file.read_text() for file in files)


def test_tables_of_options_name_what_there_is():
    """docs/training.md: recipes, models and settings; docs/protocols.md: fields and values."""
    training = (ROOT / "docs/training.md").read_text()
    recipes, models = (re.findall(r"^\| `([a-z-]+)` \|", part, re.M) for part in training.split("## Recipes")[::-1])
    assert set(RECIPES) == {name for name in recipes if name in RECIPES}
    assert set(model_names()) <= set(models)
    fields = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/protocols.md").read_text(), re.M)
    record = get_protocol("rgb8", protocols())
    assert {*fields, "name", "about"} == {*vars(record), *METRICS}
    assert {"channels_last", "precision", "compile", "optimiser"} <= set(TrainConfig.__dataclass_fields__)
