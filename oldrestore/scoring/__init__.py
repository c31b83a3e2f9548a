"""A network scored on a protocol: during its run (``scoring``) and after it (``evaluation``)."""
