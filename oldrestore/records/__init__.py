"""The run folder: written by ``run_folder``, read by ``run``; found, listed, locked, identified."""
