"""README.md says nothing that a test does not show: claims.yaml names the tests; those of plain facts are here."""

from __future__ import annotations

import re
import tomllib

import blocks
import pandas as pd
import pytest
import torch
import yaml
from blocks import ROOT

from srgrid.cli import app
from srgrid.data import registry
from srgrid.models import build, names

CLAIMS: dict[str, list[str]] = yaml.safe_load((ROOT / "tests/docs/claims.yaml").read_text())
README = (ROOT / "README.md").read_text()


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_stands_in_the_readme_and_has_its_tests(claim: str):
    assert claim in flat(README)
    assert CLAIMS[claim]
    for test in CLAIMS[claim]:
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(), re.M), test


def test_no_part_of_the_readme_is_without_a_claim_that_is_shown():
    text = re.sub(r"(?ms)^```.*?^```$|<!-- (\w+) -->.*?<!-- \1 -->|^#.*?$|^!\[.*?$", "\n\n", README)
    parts = [flat(part) for part in re.split(r"\n\n+|\n(?=- |\| )", text) if part.strip()]
    parts = [part for part in parts if not part.startswith(("|---", "| to | "))]
    assert len(parts) > 25
    bare = [part for part in parts if not any(claim in part for claim in CLAIMS)]
    assert not bare, "name the tests that show it in tests/docs/claims.yaml"


def test_python_and_make():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    makefile = (ROOT / "Makefile").read_text()
    assert project["requires-python"] == ">=3.11"
    assert "sys.version_info < (3, 11)" in makefile
    assert "--index-url $(TORCH_INDEX) $(TORCH)" in makefile
    assert re.search(r"^demo: .*\n.*\n\t@echo \"The finished card: ", makefile, re.M)
    assert re.search(
        r"^test: .*\n\tOMP_NUM_THREADS=1 \$\(BIN\)/pytest -n auto --dist loadfile .*-m 'not slow'$", makefile, re.M
    )


def test_the_full_run_is_what_config_yaml_says():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert config["train"]["images"] == ["DIV2K"]
    assert config["datasets"] == ["Set5", "Set14", "BSD100", "Urban100", "Urban100-half"]
    assert (config["run"], config["scales"], config["methods"]) == ("benchmark", [2, 3, 4], ["bicubic", "rcan-bam"])
    assert len(config["protocols"]) == 3


def test_the_disk_that_div2k_takes():
    archive = registry.get("DIV2K").sources[0].bytes
    assert archive is not None
    assert round(2 * archive / 1e9) == 7, "the archive, and its images"


def test_numbers_in_the_text_follow_from_the_reference_run():
    grid = pd.read_csv(ROOT / "results/published/grid.csv")
    psnr = grid.pivot_table(index=["dataset", "scale", "protocol"], columns="method", values="psnr")
    bicubic = psnr["bicubic"].unstack("protocol")
    higher = bicubic["super-image"] - bicubic["luma8"]
    assert (round(higher.max(), 2), higher.idxmax()) == (1.56, ("BSD100", 2))
    apart = psnr["rcan-bam-s"] - psnr["rcan-s"]
    assert f"between {apart.min():+.2f} and {apart.max():+.2f} dB over the cells" in flat(README)
    columns = pd.read_csv(ROOT / "results/published/columns.csv").set_index("dataset")
    below = -columns["card_minus_paper"][["Set5", "Set14", "Urban100"]]
    assert (below.min(), below.max()) == (0.96, 2.07)
    assert (columns["super_image_offset"] > 0).all(), "the card's protocol gives more dB than the paper's, not fewer"


def test_sizes_of_the_models():
    with torch.device("meta"):
        sizes = {name: sum(p.numel() for p in build(name, 4).module.state_dict().values()) for name in names()}
    assert (round(sizes["rcan-bam-s"] / 1e6, 1), round(sizes["rcan-bam"] / 1e6, 1)) == (0.4, 15.6)
    rows = re.findall(r"^\| `([\w-]+)` \|.* ([\d,]+) \|$", (ROOT / "docs/training.md").read_text(), re.M)
    said = {name: int(count.replace(",", "")) for name, count in rows if name in sizes}
    assert said == sizes
    assert not list((ROOT / "models").glob("rcan-bam_x*"))


def test_each_step_of_the_workflow_is_a_command():
    files = sorted((ROOT / "workflow/rules").glob("*.smk"))
    rules = {name for file in files for name in re.findall(r"^rule (\w+):", file.read_text(), re.M)}
    known = set(app.commands) | set(app.commands["data"].commands)  # type: ignore[attr-defined]
    assert len(rules) >= 10
    assert {name.removesuffix("_run").replace("_", "-") for name in rules} <= known


def test_the_library_knows_nothing_of_snakemake():
    for file in (ROOT / "src").rglob("*.py"):
        assert not re.search(r"^\s*(import|from) snakemake", file.read_text(), re.M), file


def test_the_licence():
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"] == "Apache-2.0"


def test_links_with_a_place_in_the_page_lead_there():
    for page in blocks.PAGES:
        for target, place in re.findall(r"\]\(([\w./-]+\.md)#([\w-]+)\)", (ROOT / page).read_text()):
            headings = re.findall(r"^#+ (.*)$", ((ROOT / page).parent / target).read_text(), re.M)
            assert place in {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}
