"""Train: python train.py experiment=mixed data.root=FOLDER run_dir=RUN (see --help)."""

import sys

from clipbio.cli import run

if __name__ == "__main__":
    sys.exit(run("train", sys.argv[1:]))
