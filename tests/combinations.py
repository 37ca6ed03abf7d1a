"""Every upsampler x convolution x head x demodulation x output x shortcut: a new block joins by itself."""

import itertools

from covering import covering

from ganzoo.blocks import CONVS, DEMODULATIONS, HEADS, SHORTCUTS, UPSAMPLERS

AXES = {
    "upsampler": UPSAMPLERS.names(),
    "conv": CONVS.names(),
    "head": HEADS.names(),
    "demodulation": DEMODULATIONS.names(),
    "output": ["pixel", "wavelet"],
    "shortcut": SHORTCUTS.names(),
}
BASES = [  # StyleGAN2 and MobileStyleGAN
    ("conv_transpose", "full", "skip", "style", "pixel", "none"),
    ("idwt", "depthwise", "aux", "static", "wavelet", "none"),
]
COMBINATIONS = list(itertools.product(*AXES.values()))
OF_STYLEGAN = {"nearest", "fade"}  # which meet any other block, but any two others only with `-m slow`
OWN = [combination for combination in COMBINATIONS if not OF_STYLEGAN & {*combination}]
# The bases, and as many as it takes for every block to be there, for any two to meet, or any three.
ONES, PAIRS = (covering(COMBINATIONS, t, begin=BASES) for t in (1, 2))
TRIPLES = covering(COMBINATIONS, 2, begin=covering(OWN, 3, begin=BASES))


def settings(combination):
    """The settings of a config that a combination stands for."""
    return dict(zip(AXES, combination, strict=True))
