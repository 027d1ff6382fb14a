"""The documentation as a site: every page is in it, and every name of the API page is there to be described."""

import importlib
import importlib.util
import re
import sys
import types

import pytest
import yaml
from blocks import ROOT

SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
NAMES = re.findall(r"(?m)^::: (\S+)$", (ROOT / "docs/api.md").read_text())


def pages(nav):
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from pages(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation_once():
    assert sorted(pages(SITE["nav"])) == sorted(["index.md", *(page.name for page in (ROOT / "docs").glob("*.md"))])
    assert SITE["strict"] is True


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_api_page_has_a_docstring(name):
    module, _, attribute = name.rpartition(".")
    assert getattr(importlib.import_module(module), attribute).__doc__


@pytest.fixture
def hook(monkeypatch):
    """tools/site.py, without MkDocs."""
    for missing in ("mkdocs", "mkdocs.structure"):
        monkeypatch.setitem(sys.modules, missing, types.ModuleType(missing))
    files = types.ModuleType("mkdocs.structure.files")
    files.File = files.Files = object
    monkeypatch.setitem(sys.modules, "mkdocs.structure.files", files)
    spec = importlib.util.spec_from_file_location("site_hook", ROOT / "tools/site.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(
    ("page", "text", "expected"),
    [
        ("index.md", "[a](docs/data.md#words) ![b](docs/page.png)", "[a](data.md#words) ![b](page.png)"),
        ("ci.md", "[a](../README.md) [b](data.md) [c](#d)", "[a](index.md) [b](data.md) [c](#d)"),
        ("ci.md", "[a](../CHANGELOG.md#x) [b](https://c.d/e)", "[a](https://git.host/me/it/blob/main/CHANGELOG.md#x) [b](https://c.d/e)"),
    ],
)  # fmt: skip
def test_links_lead_where_the_site_has_the_pages(hook, monkeypatch, page, text, expected):
    monkeypatch.setattr(hook, "REPOSITORY", "https://git.host/me/it")
    made = types.SimpleNamespace(file=types.SimpleNamespace(src_uri=page))
    assert hook.on_page_markdown(text, made) == expected


def test_a_link_out_of_the_site_is_text_where_the_repository_is_not_known(hook, monkeypatch):
    monkeypatch.setattr(hook, "REPOSITORY", "")
    made = types.SimpleNamespace(file=types.SimpleNamespace(src_uri="ci.md"))
    assert hook.on_page_markdown("see [the log](../CHANGELOG.md).", made) == "see the log."


def test_what_speaks_of_the_file_is_not_on_the_site(hook):
    made = types.SimpleNamespace(file=types.SimpleNamespace(src_uri="api.md"))
    assert ":::" in (text := (ROOT / "docs/api.md").read_text()).partition("## ")[0]
    assert ":::" not in hook.on_page_markdown(text, made).partition("## ")[0]
