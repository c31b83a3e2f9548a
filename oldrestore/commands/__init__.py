"""One command a file, each with ``run(arguments) -> exit code``; ``arguments`` is what they share."""
