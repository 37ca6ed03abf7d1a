"""A covering array covers, is small, and is the same in every process."""

import itertools

import pytest
from combinations import BASES, COMBINATIONS, ONES, OWN, PAIRS, TRIPLES
from covering import covering, crossed, meetings, thinned

PRODUCTS = {
    "two of two": [range(2)] * 2,
    "six of two": [range(2)] * 6,
    "mixed": [range(5), range(3), "ab", range(2), [None, 1.5]],
}


def met(rows, t):
    return set().union(*(meetings(row, t) for row in rows))


@pytest.mark.parametrize("t", [1, 2, 3, 9])
@pytest.mark.parametrize("columns", PRODUCTS.values(), ids=PRODUCTS)
def test_all_values_meet_that_meet_in_the_product(columns, t):
    rows = list(itertools.product(*columns))
    chosen = covering(rows, t)
    assert met(chosen, t) == met(rows, t)
    assert len(set(chosen)) == len(chosen) <= len(rows)


def test_what_never_meets_is_not_made_to():
    rows = [row for row in itertools.product(range(3), range(3), range(3)) if row[0] != row[1]]
    chosen = covering(rows, 2)
    assert set(chosen) <= set(rows) and met(chosen, 2) == met(rows, 2)


def test_rows_that_are_there_already_are_counted():
    rows = list(itertools.product(range(3), range(3), range(3)))
    chosen = covering(rows, 2, begin=rows[:1])
    assert chosen[0] == rows[0] and met(chosen, 2) == met(rows, 2)
    assert len(set(chosen)) == len(chosen) == len(covering(rows, 2)) == 9


def test_an_array_is_much_smaller_than_the_product():
    assert len(covering(itertools.product(range(2), repeat=10), 2)) <= 10  # of 1024
    assert len(covering(itertools.product(range(3), repeat=4), 2)) <= 12  # of 81


def test_blocks_meet_in_pairs_and_in_triples():
    assert met(ONES, 1) == met(COMBINATIONS, 1) and len(ONES) <= 6
    assert met(PAIRS, 2) == met(COMBINATIONS, 2) and len(PAIRS) <= 16
    assert met(TRIPLES, 3) >= met(OWN, 3) and met(TRIPLES, 2) == met(COMBINATIONS, 2) and len(TRIPLES) <= 32
    assert all(set(BASES) <= set(rows) for rows in (ONES, PAIRS, TRIPLES))


def test_a_thinned_product_keeps_every_row_and_marks_the_others_slow():
    rows = list(itertools.product(range(3), range(3)))
    parameters = thinned(rows, rows[:2])
    assert [parameter.values[0] for parameter in parameters] == rows
    assert [row for row, p in zip(rows, parameters, strict=True) if not p.marks] == rows[:2]


def test_crossed_columns_meet_in_pairs_by_default():
    columns = [range(4), range(3), range(2)]
    always = [parameter.values[0] for parameter in crossed(*columns) if not parameter.marks]
    assert met(always, 2) == met(itertools.product(*columns), 2)
    assert len(always) < 4 * 3 * 2 == len(crossed(*columns))
