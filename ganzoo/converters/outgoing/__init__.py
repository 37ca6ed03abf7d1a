"""Networks of this package in the layouts of other repositories, so that their tools can use them.

ganzoo.converters.outgoing.write(generator, "faces.pt", "rosinality")
"""

from ganzoo.converters.outgoing.layouts import LAYOUTS, refusal
from ganzoo.converters.outgoing.writing import Written, write

__all__ = ["LAYOUTS", "Written", "refusal", "write"]
