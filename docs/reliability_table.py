"""Writes the tables of docs/reliability.md from docs/reliability.json, which the reliability tests record.

python docs/reliability_table.py             the tables from what is recorded
python docs/reliability_table.py --record    run the tests, the slow ones too, keep what they find, write the tables
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.reliability.ledger import PAGE, RECORD, WRITE, page, read_lines  # noqa: E402 (from the repository's root)


def main(arguments: list[str]) -> int:
    """Record if asked to, and write; returns the exit code."""
    if arguments == ["--record"]:
        environment = os.environ | {WRITE: "1"}
        tests = [sys.executable, "-m", "pytest", "-q", "tests/reliability", "-k", "not committed_page"]
        former = RECORD.read_bytes() if RECORD.exists() else b"[]"
        RECORD.unlink(missing_ok=True)  # lines of tests that are gone go with it
        code = subprocess.run(tests, cwd=ROOT, env=environment).returncode
        if code:
            RECORD.write_bytes(former)
            return code
    elif arguments:
        print(__doc__, file=sys.stderr)
        return 2
    PAGE.write_text(page(PAGE.read_text(), read_lines()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
