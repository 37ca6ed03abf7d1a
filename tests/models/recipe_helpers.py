"""Recipes that differ: one of each network, bases and ablations that change a block or a setting."""

FEW = ("mobilestylegan", "stylegan_depthwise", "stylegan2_wavelet", "stylegan3_t", "biggan_32")
