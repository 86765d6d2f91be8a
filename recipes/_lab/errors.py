"""What a user did wrong, said in one line."""


class UserError(Exception):
    """A user's mistake: what was given, what is allowed and what to do, in one line.

    The command line prints the message on stderr and exits with code 2; no traceback.
    """
