"""Advisory file locks that die with their process, on file systems that have them."""

from __future__ import annotations

import errno
import fcntl
import sys
from typing import IO

_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)


def hold(file: IO[str], *, wait: bool) -> bool:
    """Lock an open file for this process until it is closed. False if another process holds it and we do not wait.

    Some file systems (Lustre mounted without flock, some NFS) have no locks: a warning on stderr says so, and the
    answer is True.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print(
            f"{file.name}: this file system has no locks ({error.strerror}); see to it that no second run writes here",
            file=sys.stderr,
        )
    return True
