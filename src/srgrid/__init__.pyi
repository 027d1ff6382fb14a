from srgrid.errors import SrgridError as SrgridError
from srgrid.results import Run as Run
from srgrid.results import open_run as open_run
from srgrid.results import score_dirs as score_dirs

__version__: str
