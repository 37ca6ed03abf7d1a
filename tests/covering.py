"""Covering arrays: a few rows of a product in which every t settings meet that meet anywhere in it.

A fault that one setting brings, or t of them together, is found in these rows; the others run with `-m slow`.
"""

import itertools
import random

import pytest

ORDERS = 12  # beside the rows' own, in which equally good ones are looked at; the least array is taken


def meetings(row, t):
    """Every choice of t columns of a row, with their values."""
    return set(itertools.combinations(enumerate(row), t))


def covering(rows, t, begin=()):
    """As few of the rows as greedy choices find in which every t values that meet in some row meet again.

    rows: Tuples of hashable values: a product, or what is left of one without what cannot be.
    t: 2 for every pair of values, 3 for every triple.
    begin: Rows of them that are chosen first.
    """
    found = {row: meetings(row, t) for row in rows}
    every = set().union(*found.values())
    missing = every.difference(*(found[row] for row in begin))
    orders = [list(found), *(random.Random(i).sample(list(found), len(found)) for i in range(ORDERS))]
    # A greedy choice that does not know of `begin` is at times the better one.
    choices = (_greedy(found, order, wanted) for order in orders for wanted in (missing, every))
    return min((list(dict.fromkeys([*begin, *choice])) for choice in choices), key=len)


def _greedy(found, order, missing):
    chosen = []
    while missing:
        chosen.append(max(order, key=lambda row: len(found[row] & missing)))  # the first of the best
        missing = missing - found[chosen[-1]]
    return chosen


def crossed(*columns, t=2):
    """The product of columns as parameters of a test, of which a covering array of strength t runs always."""
    rows = list(itertools.product(*columns))
    return thinned(rows, covering(rows, t))


def thinned(rows, always):
    """All rows as parameters of a test; what does not run always is marked slow."""
    return [pytest.param(row, marks=() if row in always else pytest.mark.slow) for row in rows]
