"""docs/reliability.md lists the faults that the tests try: no more, no fewer."""

import importlib

import pytest
from blocks import ROOT


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("reliability")


def test_the_page_is_what_the_tests_make(tool):
    assert (ROOT / "docs/reliability.md").read_text() == tool.page(), "run: python tools/reliability.py"


def test_every_kind_of_fault_has_rows(tool):
    rows = [row for row in tool.page().splitlines() if row.startswith("| ") and "`test_" in row]
    assert len(rows) > 60
    for words in (("kill", "interrupt"), ("disk",), ("damage", "torn"), ("hostile", "trusted"), ("two ", "at once")):
        assert any(word in row.lower() for row in rows for word in words), words
