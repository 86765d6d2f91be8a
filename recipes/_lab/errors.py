"""What a user did wrong, said in one line."""

import difflib


class UserError(Exception):
    """A user's mistake: what was given, what is allowed and what to do, in one line.

    The command line prints the message on stderr and exits with code 2; no traceback.
    """


def nearest(given, names):
    """Return a hint at the name that was likely meant, ready to be put behind; else ""."""
    by_lower_case = {name.lower(): name for name in names}
    near = difflib.get_close_matches(given.lower(), by_lower_case, n=1)
    return f" (did you mean {by_lower_case[near[0]]!r}?)" if near else ""
