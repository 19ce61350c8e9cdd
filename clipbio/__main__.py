"""Entry point of `python -m clipbio`."""

import sys

from clipbio.cli import main

sys.exit(main())
