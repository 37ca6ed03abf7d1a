"""Model cards: of published models, folders, conversions and students, all by one writer.

ganzoo.cards.write("runs/first", license="cc-by-nc-4.0", lineage="Distilled from my own photos.")
"""

from ganzoo.cards.writing import render as render
from ganzoo.cards.writing import write as write
from ganzoo.system.lazy import offer_modules

offer_modules(__name__)
