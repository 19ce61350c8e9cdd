"""Evaluate: python evaluate.py checkpoint=RUN run_dir=OUT (see --help)."""

import sys

from clipbio.cli import run

if __name__ == "__main__":
    sys.exit(run("evaluate", sys.argv[1:]))
