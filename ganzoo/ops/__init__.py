"""Differentiable operations in plain PyTorch: FIR resampling, the Haar transform, equalised layers, bias +
activation.
"""
