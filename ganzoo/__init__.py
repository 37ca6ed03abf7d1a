"""A pluggable model zoo for style-based GANs."""
