"""tools/licences.py tells what the pinned packages declare, and stops at a licence that nobody has read."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("licences", ROOT / "tools/licences.py")
licences = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(licences)


def test_expressions_classifiers_and_files_are_read():
    assert licences.licence("click") == "BSD-3-Clause"
    assert licences.licence("safetensors") == "Apache Software License"
    assert "MIT" in licences.licence("conda-inject")
    assert licences.licence("no-such-package") == "not installed"


def test_a_licence_that_nobody_has_read_stops_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "lock").write_text("click==8.5.1\nstrange==1\n")
    monkeypatch.setattr(licences, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(licences, "licence", {"click": "BSD-3-Clause", "strange": "Proprietary"}.get)
    with pytest.raises(SystemExit, match=r"strange \(Proprietary\)"):
        licences.main()
    assert "BSD-3-Clause" in capsys.readouterr().out
