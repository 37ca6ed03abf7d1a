"""Seeds that are kept for measuring: far from those that people look at, and never trained on."""

HELD_OUT_SEED = 1_000_000_000  # of the first image that `ganzoo eval` and a run's held-out figures measure
REAL_SEED = 2 * HELD_OUT_SEED  # of the first image of a model that others are compared with
