"""The one exception type for what a user can mend."""


class SrgridError(Exception):
    """Bad input: the message names the file or key and says what to do.

    The command line prints it alone (no traceback) and exits with status 2.
    """
