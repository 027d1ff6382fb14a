"""The model card: Markdown for the Hugging Face Hub, and one self-contained HTML page."""

import math
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
)
from markupsafe import Markup

from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.records import flatten
from srgrid.report import views
from srgrid.report.cardata import CardData, gather
from srgrid.report.control import controls
from srgrid.report.page import data_link, page_data, script_json
from srgrid.report.published import citation, hub_name
from srgrid.report.tables import BASELINE

PAGE_BUDGET = 14_000_000  # bytes of embedded previews; the page stays under 15 MB


def build_card(
    run_dir: Path,
    *,
    out_md: Path | None = None,
    out_html: Path | None = None,
    templates: Path | None = None,
    title: str | None = None,
    missing: Iterable[Mapping[str, Any]] = (),
    meta: Mapping[str, Any] | None = None,
) -> None:
    """Make `model_card.md` and `model_card.html` of a run directory from its tables and previews alone.

    `templates` is a folder whose files stand in for the built-in templates of the same name; `missing` gives reasons
    for cells that were not run (see `cardata.gather`); `meta` adds to or replaces keys of the front matter.
    Raises SrgridError when a table is missing, damaged or out of date, or a template fails.
    """
    run_dir = Path(run_dir)
    data = gather(run_dir, title=title, missing=missing, meta=meta)
    texts = {
        out_md or run_dir / "model_card.md": render_markdown(data, templates),
        out_html or run_dir / "model_card.html": render_html(data, templates),
    }
    for path, text in texts.items():
        with staged_file(Path(path)) as staged:
            staged.write_text(text, encoding="utf-8")


def render_markdown(data: CardData, templates: Path | None = None) -> str:
    """The card as Markdown with the Hub's front matter (`model-index` included)."""
    env = _environment(templates, autoescape=False)
    text = _render(env, "card.md.j2", {**_context(data, env), "front_matter": front_matter(data)})
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def render_html(data: CardData, templates: Path | None = None) -> str:
    """The card as one HTML file that asks nothing of the network."""
    env = _environment(templates, autoescape=True)
    context = _context(data, env)
    parts = {name: Markup(_source(env, name)) for name in ("page.css", "page.js", "compare.js", "plots.js")}
    downloads = {name: data_link(text, "text/csv;charset=utf-8") for name, text in data.downloads.items()}
    downloads["references.bib"] = data_link(context["bibtex"], "text/plain;charset=utf-8")
    context |= {
        "parts": parts,
        "downloads": downloads,
        "page_data": script_json(page_data(data, PAGE_BUDGET)),
        "matrix": views.gain_matrix(data),
        "facts": {key: views.plain(value) for key, value in sorted(flatten(data.provenance).items())},
    }
    return _render(env, "card.html.j2", context)


def _environment(templates: Path | None, *, autoescape: bool) -> Environment:
    loaders: list[BaseLoader] = [PackageLoader("srgrid.report")]
    if templates is not None:
        if not Path(templates).is_dir():
            raise SrgridError(f"{templates} is no folder of templates: give one, or leave the key out.")
        loaders.insert(0, FileSystemLoader(templates))
    env = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters["md"] = md
    env.filters["slug"] = slug
    env.filters["shell"] = shell_word
    env.filters["code_block"] = code_block
    return env


def _source(env: Environment, name: str) -> str:
    assert env.loader is not None
    return env.loader.get_source(env, name)[0]


def _render(env: Environment, name: str, context: Mapping[str, Any]) -> str:
    try:
        return env.get_template(name).render(context)
    except TemplateError as error:
        raise SrgridError(
            f"The template {name} fails ({error}): mend it, or remove it from the templates folder."
        ) from None


def _context(data: CardData, env: Environment) -> dict[str, Any]:
    table = views.rows(data)
    return {
        "data": data,
        "rows": table,
        "origins": views.origins(data),
        "protocols": {name: data.abouts.get(name, "") for name in data.order["protocol"]},
        "citations": {name: citation(name) for name in data.order["dataset"]},
        "hub": {name: hub_name(name) for name in data.order["dataset"]},
        "verdicts": views.audit_verdicts(data),
        "effects": views.audit_effects(data),
        "controls": controls(data),
        "effect_cells": views.effect_cells(data),
        "left_out": list(dict.fromkeys(data.left_out.values())),
        "not_here": sorted({p.method for p in data.published} - set(data.order["method"])),
        "tuned_on_test": views.tuned_on_test(data),
        "baseline": BASELINE,
        "has_bam": any("bam" in method for method in data.methods),
        "sources": list(dict.fromkeys((value.title, value.url) for value in data.published)),
        "notes": list(dict.fromkeys(value.note for value in data.published if value.note)),
        "filled": sum(not cell.missing for row in table for cell in row.cells),
        "total": sum(len(row.cells) for row in table),
        "bibtex": _source(env, "references.bib"),
        "command": data.provenance.get("command", ""),
    }


_MD_SPECIAL = re.compile(r"([\\`*_\[\]{}|#~$])")


def md(value: object) -> str:
    """Escape text from data for a Markdown line or table cell: nothing in it is read as markup or HTML."""
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MD_SPECIAL.sub(r"\\\1", text).replace("\r", " ").replace("\n", " ")


def shell_word(value: object) -> str:
    """Text as one word of a shell command, on one line: bash's $'...' where it holds control characters."""
    text = str(value)
    if text.isprintable():
        return shlex.quote(text)
    shown = (c if c.isprintable() and c not in "\\'" else "".join(f"\\x{b:02x}" for b in c.encode()) for c in text)
    return f"$'{''.join(shown)}'"


def code_block(value: object, language: str = "") -> str:
    """Text as a Markdown code block, with a fence that is longer than any row of backticks in it."""
    text = str(value).strip("\n")
    longest = max((len(row) for row in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def slug(value: object) -> str:
    """Text as an HTML id."""
    return re.sub(r"[^a-z0-9]+", "-", str(value).lower()).strip("-")


def front_matter(data: CardData) -> str:
    """The Hub's YAML: license, tags, datasets, metrics, pipeline tag, model-index; `data.meta` has the last word."""
    hub = [hub_name(name) for name in [*_training_sets(data), *data.order["dataset"]]]
    card: dict[str, Any] = {
        "license": "apache-2.0",
        "library_name": "srgrid",
        "pipeline_tag": "image-to-image",
        "tags": ["super-resolution", "image-super-resolution", "srgrid"],
        "datasets": list(dict.fromkeys(name for name in hub if name)),
        "metrics": [metric.name for metric in data.metrics],
        "model-index": model_index(data),
    }
    if not card["datasets"]:
        del card["datasets"]
    return yaml.safe_dump(card | data.meta, sort_keys=False, allow_unicode=True, width=120)


def _training_sets(data: CardData) -> list[str]:
    found = [origin.facts.get("training set", "") for origin in views.origins(data)]
    return [part for text in found for part in re.split(r"[+,\s]+", text) if part]


def model_index(data: CardData) -> list[dict[str, Any]]:
    """One entry per model (bicubic if there is no other), one result per dataset and scale, headline protocol."""
    index = []
    for method in data.methods or [BASELINE]:
        cells = data.grid[(data.grid["method"] == method) & (data.grid["protocol"] == data.protocol)]
        results = [_result(data, row) for row in cells.to_dict("records")]
        if results:
            index.append({"name": str(method), "results": results})
    return index


def _result(data: CardData, row: Mapping[Any, Any]) -> dict[str, Any]:
    name, protocol = str(row["dataset"]), str(row["protocol"])
    metrics = []
    for metric in data.metrics:
        value = float(row[metric.name])
        shown = round(value, metric.printed + 2) if math.isfinite(value) else str(value)
        arguments = {"protocol": protocol, "images": int(row["images"])}
        metrics.append({"type": metric.name, "value": shown, "name": f"{metric.label} ({protocol})", "args": arguments})
    return {
        "task": {"type": "image-to-image", "name": f"Image super-resolution x{row['scale']}"},
        "dataset": {
            "type": hub_name(name) or slug(name) or "unnamed",
            "name": name,
            "config": f"bicubic_x{row['scale']}",
            "split": "validation",
        },
        "metrics": metrics,
    }
