"""The structure of the package: which module may import which, and how large one grows."""

import ast
from pathlib import Path

import pytest

import srgrid

PACKAGE = Path(srgrid.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION, MOST_PARAMETERS = 400, 40, 7


def name_of(file):
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in FILES}


def imported(file):
    """The modules of srgrid that a file imports, anywhere in it but for types alone; an attribute is its module's."""
    typing = [
        node
        for branch in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    ]
    unneeded = {(node.lineno, node.col_offset) for node in typing if isinstance(node, ast.ImportFrom)}
    found = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in MODULES}
        elif isinstance(node, ast.ImportFrom) and node.module and (node.lineno, node.col_offset) not in unneeded:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= below & MODULES.keys()
            found |= {node.module} & MODULES.keys() if below - MODULES.keys() else set()
    return found - {name_of(file)}


IMPORTS = {name: imported(file) for name, file in MODULES.items()}


def circle(start):
    """A way from a module back to itself, if there is one."""
    ways = [[start]]
    seen = set()
    while ways:
        way = ways.pop()
        for name in sorted(IMPORTS[way[-1]]):
            if name == start:
                return [*way, start]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return None


def test_no_circle_of_imports():
    assert [way for way in map(circle, MODULES) if way] == []


# From the ground up: a module imports only from its own layer or those before it.
LAYERS = {
    "srgrid.networks": 2,
    "srgrid.models": 2,
    "srgrid.train": 3,
    "srgrid.upscale": 3,
    "srgrid.cost": 3,
    "srgrid.report": 4,
    "srgrid.provenance": 4,
    "srgrid.configuration": 4,
    "srgrid.plan": 4,
    "srgrid.columns": 4,
    "srgrid.bench": 4,
    "srgrid.check": 4,
    "srgrid.verification": 4,
    "srgrid.crate": 4,
    "srgrid.results": 4,
    "srgrid.cli": 5,
    "srgrid.__main__": 5,
}


def layer(module):
    return next((rank for name, rank in LAYERS.items() if module == name or module.startswith(name + ".")), 1)


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_what_stands_above_it(module):
    assert [name for name in sorted(IMPORTS[module]) if layer(name) > layer(module)] == []


def functions():
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name_of(file)}.{node.name}", node


def test_no_module_is_too_long():
    assert [
        f"{name_of(file)}: {lines}" for file in FILES if (lines := len(file.read_text().splitlines())) > LONGEST_MODULE
    ] == []


def test_no_function_is_too_long():
    lengths = {name: node.end_lineno - node.lineno + 1 for name, node in functions()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_no_function_takes_too_many_parameters():
    """A command has an option for each of its parameters; a method's own object is none."""
    counts = {}
    for name, node in functions():
        given = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        counts[name] = len([arg for arg in given if arg not in ("self", "cls")])
    assert {n: c for n, c in counts.items() if c > MOST_PARAMETERS and not n.startswith("srgrid.cli.")} == {}
