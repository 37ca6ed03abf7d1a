"""Times of calls that take turns."""

import time

from ganzoo.system.timing import in_turns


def test_calls_take_turns_after_rounds_that_do_not_count():
    order = []
    calls = [lambda: order.append("A"), lambda: order.append("B")]
    times = list(in_turns(calls, 3, warm_up=2))
    assert order == list("AB" * 5)
    assert len(times) == 3 and all(len(t) == 2 and min(t) >= 0 for t in times)


def test_a_time_is_that_of_the_call_and_not_of_the_pause_before_it():
    [times] = in_turns([lambda: time.sleep(0.02), lambda: None], 1, warm_up=0, pause=0.05)
    assert 0.02 <= times[0] < 0.05 and times[1] < 0.02


def test_no_rounds_call_nothing():
    assert list(in_turns([lambda: 1 / 0], 0)) == []
