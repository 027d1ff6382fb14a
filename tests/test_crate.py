"""A run as an RO-Crate: what it says is the record's, and the validator of the profiles accepts it."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from srgrid.crate import write_crate
from srgrid.errors import SrgridError
from srgrid.records import file_digest

ROOT = Path(__file__).parents[1]
PUBLISHED, SAMPLE = ROOT / "results/published", ROOT / "results/sample"
PROFILES = ["process/0.5", "workflow/0.5"]


@pytest.fixture(scope="module")
def crate(tmp_path_factory):
    pytest.importorskip("rocrate")
    out = tmp_path_factory.mktemp("crate") / "sample"
    write_crate(SAMPLE, out)
    return out


@pytest.fixture(scope="module")
def entities(crate):
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    return {entity["@id"]: entity for entity in graph}


def ids(value):
    return [one["@id"] for one in (value if isinstance(value, list) else [value])]


def test_it_says_what_the_record_says(crate, entities):
    record = json.loads((SAMPLE / "provenance.json").read_text())
    run = entities["#run"]
    assert run["description"] == record["command"]
    assert ids(run["instrument"]) == ids(entities["./"]["mainEntity"]) == ["Snakefile"]
    assert f"sha256:{record['inputs']['sample']['sha256']}" == entities["#HR-sample"]["identifier"]
    for key, weights in record["weights"].items():
        assert entities[f"#weights-{key.replace(' ', '-')}"]["identifier"] == f"sha256:{weights['sha256']}"
    assert set(ids(run["object"])) >= {"#HR-sample", "#weights-rcan-s-x4", "config.json"}
    assert json.loads((crate / "config.json").read_text()) == record["config"]
    assert entities["#numpy"]["softwareVersion"] == record["versions"]["numpy"]
    assert entities["#srgrid"]["identifier"] == record["commit"]
    assert {f"https://w3id.org/ro/wfrun/{profile}" for profile in PROFILES} <= set(ids(entities["./"]["conformsTo"]))


def test_every_file_is_there_with_its_digest(crate, entities):
    results = ids(entities["#run"]["result"])
    assert {"grid.csv", "scores.csv", "model_card.html", "figures/sample_x4.png"} <= set(results)
    for name in results:
        assert file_digest(crate / name) == file_digest(SAMPLE / name) == entities[name]["sha256"]
    assert (crate / "workflow/rules/score.smk").is_file()


def test_the_validator_of_the_profile_accepts_it(crate, monkeypatch, tmp_path):
    """With the context that the rocrate package ships, so that nothing is asked of the network; its terms of the
    workflow as RO-Crate 1.1 has them."""
    services = pytest.importorskip("rocrate_validator.services")
    import requests
    import rocrate
    from rocrate_validator.models import Severity
    from rocrate_validator.utils.http import HttpRequester

    context = json.loads((Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_text())
    terms = {name: name for name in ("ComputationalWorkflow", "FormalParameter")}
    terms |= {name: f"ComputationalWorkflow#{name}" for name in ("input", "output")}
    context["@context"] |= {name: f"https://bioschemas.org/{term}" for name, term in terms.items()}

    def answer(self, url, **_):
        response = requests.Response()
        response.status_code, response.url, response._content = 200, url, json.dumps(context).encode()
        response.headers["Content-Type"] = "application/ld+json"
        return response

    monkeypatch.setattr(HttpRequester, "get", answer, raising=False)
    copy = shutil.copytree(crate, tmp_path / "copy")
    settings = {"rocrate_uri": str(copy), "profile_identifier": "workflow-run-crate-0.5"}
    required = services.ValidationSettings(**settings, requirement_severity=Severity.REQUIRED)
    found = services.validate(required)
    assert found.passed(), [issue.message for issue in found.get_issues()]
    metadata = copy / "ro-crate-metadata.json"
    metadata.write_text(metadata.read_text().replace('"mainEntity"', '"mainThing"'))
    assert not services.validate(required).passed()


def test_a_folder_that_is_there_is_not_written_into(crate):
    with pytest.raises(SrgridError, match="is there already; name a folder that is not"):
        write_crate(SAMPLE, crate)
    assert (crate / "ro-crate-metadata.json").is_file()


def test_a_run_that_was_edited_is_refused(tmp_path):
    pytest.importorskip("rocrate")
    run = shutil.copytree(SAMPLE, tmp_path / "run")
    (run / "grid.csv").write_text((run / "grid.csv").read_text().replace("2", "3", 1))
    with pytest.raises(SrgridError, match="edited or damaged"):
        write_crate(run, tmp_path / "crate")
    assert not (tmp_path / "crate").exists()


def test_without_the_package_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    with pytest.raises(SrgridError, match="pip install rocrate"):
        write_crate(SAMPLE, tmp_path / "crate")
