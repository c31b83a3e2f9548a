"""The run folder: written by ``run_folder``, read by ``reader``; found (``loading``), listed, locked, identified."""
