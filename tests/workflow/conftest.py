import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from running import run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
