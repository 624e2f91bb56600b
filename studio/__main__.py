"""`python -m studio` is `studio`."""

import sys

from studio.cli import main

sys.exit(main())
