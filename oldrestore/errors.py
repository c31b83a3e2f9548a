"""The one exception for what a user can mend."""


class UserError(ValueError):
    """A request that cannot be carried out as it stands.

    Its message is one sentence that names the thing and says what would be right. The command line prints
    it and exits with code 2, without a traceback.
    """
