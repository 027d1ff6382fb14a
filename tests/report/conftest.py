import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from run_dir import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run directory without its card."""
    return make_run(tmp_path_factory.mktemp("run"))
