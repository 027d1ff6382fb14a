"""Tables that repeat results elsewhere are those of the results."""

import importlib.util
import sys

from blocks import ROOT


def load(name):
    spec = importlib.util.spec_from_file_location(f"{name}_tool", ROOT / f"tools/{name}.py")
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


def test_repeated_tables_are_up_to_date():
    for path, text in load("tables").texts().items():
        assert path.read_text() == text, f"{path.name}: run python tools/tables.py"
