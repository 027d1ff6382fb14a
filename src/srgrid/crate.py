"""A finished run as an RO-Crate that other archives read: the Process Run or Workflow Run profile, of its records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.files import keep_apart, scratch_dir
from srgrid.models.find import folder
from srgrid.report.cardata import CardData, gather
from srgrid.report.origins import licence, sources_of

_FILES = ("*.csv", "*.json", "*.tex", "model_card.*", "figures/*.png", "figures/*.json")
_TYPES = {".csv": "text/csv", ".json": "application/json", ".png": "image/png", ".html": "text/html"}
_TYPES |= {".tex": "application/x-tex", ".md": "text/markdown", ".yaml": "application/yaml"}
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}


def write_crate(run_dir: Path, out: Path) -> None:
    """Make a folder with a run's tables, records, figures and card, and ro-crate-metadata.json.

    A run of the workflow takes the workflow's files along, from this checkout. Raises SrgridError if the run's tables
    are missing or were edited, `out` exists, there is no checkout, or the package rocrate is not installed.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise SrgridError("the package rocrate is not installed; pip install rocrate") from None
    keep_apart(out, run_dir)
    if out.exists():
        raise SrgridError(f"{out}: is there already; name a folder that is not")
    data = gather(run_dir)
    crate = ROCrate(version="1.1")  # that the profiles build on
    _Describe(crate, data, run_dir).all()
    out.parent.mkdir(parents=True, exist_ok=True)
    with scratch_dir(out.parent) as room:
        crate.write(room / "crate")
        (room / "crate").rename(out)


class _Describe:
    """Adds a run to a crate."""

    def __init__(self, crate: Any, data: CardData, run_dir: Path) -> None:
        self.crate, self.data, self.run_dir = crate, data, run_dir
        self.record = data.provenance
        self.made = datetime.fromtimestamp((run_dir / "provenance.json").stat().st_mtime, UTC).date().isoformat()

    def all(self) -> None:
        """The crate itself, what ran, from what, and what came of it."""
        workflow = str(self.record.get("command", "")).startswith("snakemake")
        crate, urls = self.crate, list(_PROFILES) if workflow else list(_PROFILES)[:1]
        crate.name = f"Super-resolution results grid: {self.data.title}"
        crate.description = "Scores of super-resolved images, image by image, and what they were made from, by srgrid."
        crate.license = licence(self.data) or "not stated"
        crate.datePublished = self.made
        profiles = [self.add(url, "CreativeWork", name=_PROFILES[url], version=url.rpartition("/")[2]) for url in urls]
        crate.root_dataset["conformsTo"] = profiles
        packages = list(self.packages())
        tool = self.workflow(packages) if workflow else self.program(packages)
        inputs = [*self.images(), *self.weights(), self.config(tool if workflow else None)]
        results = list(self.results())
        crate.add_action(
            tool, identifier="#run", object=inputs, result=results,
            properties={"name": f"Run {self.data.title}", "description": str(self.record.get("command", "")),
                        "endTime": self.made, "actionStatus": "http://schema.org/CompletedActionStatus"},
        )  # fmt: skip

    def add(self, identifier: str, kind: str, /, **properties: Any) -> Any:
        """A contextual entity; what is not known of it is left out."""
        from rocrate.model.contextentity import ContextEntity

        known = {key: value for key, value in properties.items() if value not in (None, "", [])}
        return self.crate.add(ContextEntity(self.crate, identifier, properties={"@type": kind, **known}))

    def packages(self) -> Iterator[Any]:
        """The programs that took part, with their versions."""
        for name, version in (self.record.get("versions") or {}).items():
            commit = self.record.get("commit") if name == "srgrid" else None
            told = {"softwareVersion": version, "identifier": commit}
            url = "https://www.python.org" if name == "python" else f"https://pypi.org/project/{name}"
            yield self.add(f"#{name}", "SoftwareApplication", name=name, url=url, **told)

    def program(self, packages: list[Any]) -> Any:
        """What ran a table of `srgrid bench`."""
        own = next((one for one in packages if one.id == "#srgrid"), None)
        return own or self.add("#srgrid", "SoftwareApplication", name="srgrid")

    def workflow(self, packages: list[Any]) -> Any:
        """The Snakefile, with the rules that it includes."""
        root = folder().parent
        if not (root / "Snakefile").is_file():
            raise SrgridError("the workflow's files are not installed; make the crate in a checkout of srgrid")
        files = sorted(path for path in (root / "workflow").rglob("*") if path.is_file() and path.suffix != ".pyc")
        for path in (root / "config.yaml", *files):
            self.file(path, path.relative_to(root).as_posix(), "Part of the workflow")
        properties = {"name": "srgrid: images to results grid", "softwareRequirements": packages}
        return self.crate.add_workflow(
            root / "Snakefile", "Snakefile", main=True, lang="snakemake", properties=properties
        )

    def images(self) -> Iterator[Any]:
        """Every data set: the digest of its images, and where they come from."""
        for name, held in (self.record.get("inputs") or {}).items():
            entry = self.data.datasets.get(name)
            urls = [source.url or source.page for source in entry.sources] if entry else []
            papers = [found.short for found in sources_of(self.data, name)]
            yield self.add(
                f"#HR-{name}", "Dataset", name=f"{name}, HR images", identifier=f"sha256:{held['sha256']}",
                size=f"{held['images']} images", license=entry.licence if entry else "", citation=papers,
                distribution=[url for url in urls if url],
            )  # fmt: skip

    def weights(self) -> Iterator[Any]:
        """Every weights file, by its digest."""
        for model in self.data.models:
            yield self.add(
                f"#weights-{model.method}-x{model.scale}", "CreativeWork", name=model.file, license=model.licence,
                identifier=f"sha256:{model.sha256}", description=model.about, isBasedOn=model.path,
            )  # fmt: skip

    def config(self, workflow: Any | None) -> Any:
        """The config, as a file; of a workflow, its parameter."""
        import io

        text = json.dumps(self.record["config"], indent=1, sort_keys=True) + "\n"
        properties = {"name": "The run's config", "encodingFormat": _TYPES[".json"]}
        file = self.crate.add_file(io.StringIO(text), "config.json", properties=properties)
        if workflow is not None:
            told = {"name": "config", "additionalType": "File", "conformsTo": {"@id": _PARAMETER}}
            parameter = self.add("#config", "FormalParameter", **told, workExample=file)
            workflow["input"] = [parameter]
            file["exampleOfWork"] = parameter
        return file

    def results(self) -> Iterator[Any]:
        """The run's files."""
        for path in sorted({path for pattern in _FILES for path in self.run_dir.glob(pattern)}):
            yield self.file(path, path.relative_to(self.run_dir).as_posix(), "Result of the run")

    def file(self, path: Path, name: str, about: str) -> Any:
        """A file of the crate."""
        from srgrid.records import file_digest

        told: Mapping[str, Any] = {"name": name, "description": about, "sha256": file_digest(path)}
        told = {**told, "contentSize": str(path.stat().st_size)}
        kind = _TYPES.get(path.suffix, "text/plain")
        return self.crate.add_file(path, name, properties={**told, "encodingFormat": kind})


_PARAMETER = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
