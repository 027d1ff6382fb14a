"""The one exception type for what a user can mend."""

from __future__ import annotations

import re


class SrgridError(Exception):
    """Bad input: the message names the file or key and says what to do.

    The command line prints it alone (no traceback) and exits with status 2. Control characters in it, which names of
    files and keys may hold, are shown escaped; empty lines are left out, so that it is one paragraph.
    """

    def __init__(self, message: str) -> None:
        escaped = re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", lambda found: repr(found[0])[1:-1], message)
        super().__init__(re.sub(r"\n\s*\n", "\n", escaped).strip("\n"))
