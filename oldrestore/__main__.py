"""``python -m oldrestore`` is ``oldrestore``."""

import sys

from oldrestore.cli import main

sys.exit(main())
