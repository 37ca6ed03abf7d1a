"""Foreign checkpoints to ganzoo's own, without running anything that they name."""
