"""The command line with a tiny feature network in the place of those that are downloaded."""

import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

from metric_helpers import TinyFeatures

import ganzoo.metrics.evaluation
from ganzoo.cli import main


class SlowFeatures(TinyFeatures):
    """They leave time to interrupt them."""

    def __init__(self):
        super().__init__("slow")

    def forward(self, pixels):
        time.sleep(0.1)
        return super().forward(pixels)


def tiny_main():
    """`ganzoo` with such features, slow ones where the command names them."""
    torch.set_num_threads(1)
    kind = SlowFeatures if "--features=slow" in sys.argv else TinyFeatures
    ganzoo.metrics.evaluation.load_features = lambda name, cache_dir=None: kind()
    main()


if __name__ == "__main__":
    tiny_main()
