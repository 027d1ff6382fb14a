"""Says how many damaged inputs were tried."""

from typing import Any

import pytest

TRIED = pytest.StashKey[list[dict[str, Any]]]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    results = config.stash.get(TRIED, [])
    if results:
        tried, found = (sum(len(r["findings"]) if key else r["tried"] for r in results) for key in (0, 1))
        terminalreporter.write_line(
            f"fuzz: {tried:,} damaged inputs tried over {len(results)} readers, {found} findings"
        )
