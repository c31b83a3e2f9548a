"""One verb a file; each has ``run(arguments) -> exit code``."""
