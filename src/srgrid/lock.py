"""Holding an open file for one process. The kernel drops the lock with the process, however it ends."""

from __future__ import annotations

import errno
import fcntl
import sys
from functools import cache
from typing import IO

from srgrid.errors import SrgridError

# What a file system without locks answers: Lustre without `flock` (ENOSYS), FUSE and others (ENOTSUP, EOPNOTSUPP),
# NFS without a lock daemon (ENOLCK).
_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


def hold(file: IO[str], *, wait: bool) -> bool:
    """Lock an open file until it is closed or this process ends; returns False if another process holds it.

    wait: stay until the other process lets go. On a file system that has no locks a warning is printed once, and the
    answer is True: nobody can be kept out there. Raises SrgridError for any other failure.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise SrgridError(
                f"{file.name}: cannot be locked ({error.strerror}); use a folder on another disk"
            ) from None
        _warn(str(file.name), str(error.strerror))
    return True


@cache
def _warn(name: str, reason: str) -> None:
    print(
        f"srgrid: {name}: this file system has no locks ({reason}); going on without one."
        " Start no second run in this folder.",
        file=sys.stderr,
        flush=True,
    )
