"""Differentiable operations in plain PyTorch."""
