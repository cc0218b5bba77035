"""Exact sums do not depend on order, partition or merging. The result is the sum rounded once."""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction

import numpy as np
import pytest
from basin.analysis.exact import ExactSum
from hypothesis import example, given, settings
from hypothesis import strategies as st

# Sums of f32 values stay far from overflow. Subnormal numbers are included.
NUMBERS = st.floats(-1e300, 1e300, allow_nan=False)
CLOSE = st.builds(lambda m, e: m * 2.0**e, st.integers(-(2**53), 2**53), st.integers(-60, 60))
LISTS = st.lists(NUMBERS | CLOSE, max_size=24)
# 1 + 2^-53 is a tie, which the next summand breaks in either direction.
TIES = [1.0, 2.0**-53, 2.0**-120]


def total(numbers: list[float]) -> ExactSum:
    """The numbers added one by one."""
    out = ExactSum()
    for number in numbers:
        out.add(np.array([number]))
    return out


@given(LISTS)
@example(TIES)
@example([1.0 + 2.0**-52, 2.0**-53, -(2.0**-120)])
@example([1.0, 2.0**-53, 2.0**-106, 2.0**-159, -(2.0**-300)])
def test_value_is_the_sum_rounded_once(numbers):
    assert float(total(numbers).value()) == math.fsum(numbers)


@given(LISTS)
@example(TIES)
def test_parts_are_the_sum(numbers):
    parts = [float(part) for part in total(numbers).parts()]
    assert sum(map(Fraction, parts)) == sum(map(Fraction, numbers))
    for i in range(len(parts)):
        assert parts[i] == math.fsum(parts[i:])


@given(LISTS, st.randoms(use_true_random=False), st.integers(0, 24))
@example(TIES, random.Random(0), 2)
def test_order_partition_and_merge_do_not_show(numbers, shuffler, cut):
    expected = total(numbers)
    shuffled = list(numbers)
    shuffler.shuffle(shuffled)
    at_once = ExactSum()
    at_once.add(np.array(shuffled, np.float64))
    left, right = total(shuffled[:cut]), total(shuffled[cut:])
    right.merge(left)
    for other in (at_once, right):
        assert other == expected
        assert json.dumps(other.to_json()) == json.dumps(expected.to_json())


@given(st.lists(st.lists(NUMBERS, min_size=6, max_size=6), max_size=9))
@settings(max_examples=50)
def test_arrays_are_sums_by_element(rows):
    out = ExactSum((2, 3))
    out.add(np.array(rows, np.float64).reshape(-1, 2, 3))
    expected = np.array([math.fsum(column) for column in zip(*rows)] if rows else [0.0] * 6)
    np.testing.assert_array_equal(out.value(), expected.reshape(2, 3))
    text = json.dumps(out.to_json())
    again = ExactSum.from_json(json.loads(text), (2, 3))
    assert again == out
    assert json.dumps(again.to_json()) == text


def test_a_lost_bit_is_not_lost():
    out = total([1e16, 1.0, -1e16])
    assert float(out.value()) == 1.0
    assert total([1e16, 1.0]) != total([1e16])


@pytest.mark.parametrize("rows", [[np.nan], [np.inf], [[1.0, 2.0]], 1.0])
def test_what_has_no_sum_is_refused(rows):
    with pytest.raises(ValueError, match="expected"):
        ExactSum().add(np.array(rows))


def test_wrong_number_of_sums_is_refused():
    with pytest.raises(ValueError, match="expected 3 sums, but got 2"):
        ExactSum.from_json([1.0, 2.0], (3,))
