"""The time that is left, and lines of progress where there is no terminal."""

import pytest

from ganzoo.training.pace import Pace, duration


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.01, "1 s"), (59.4, "59 s"), (60, "1 min"), (125, "2 min 5 s"), (3600, "1 h"),
        (19_300, "5 h 21 min"), (86_400, "1 day"), (2 * 86_400 + 4000, "2 days 1 h"),
        (79.4 * 86_400, "79 days"), (1e9, "11,574 days"),
    ],
)  # fmt: skip
def test_a_time_has_two_units_at_most(seconds, told):
    assert duration(seconds) == told


def test_the_time_that_is_left_is_there_after_the_first_step_however_slow_it_is():
    clock = Clock()
    pace = Pace(1000, done=100, clock=clock)
    assert pace.left(100) == ""
    clock.now += 400  # a bar of rich's forgets what is older than half a minute
    assert pace.left(116) == "6 h 8 min left"
    clock.now += 10_000
    assert pace.left(1000) == ""


def test_before_the_first_step_it_is_that_of_the_speed_that_was_measured():
    assert Pace(1000, per_second=0.5, clock=Clock()).left(0) == "33 min 20 s left"


def test_lines_come_after_the_first_step_then_every_minute_then_more_rarely(capsys):
    clock = Clock()
    pace = Pace(10**6, lines=True, clock=clock)
    times = []
    for second in range(1, 20_000):
        clock.now = 100 + second
        pace.tell(second, lambda: "so far")
        if told := capsys.readouterr().err:
            times.append(second)
            assert told == f"so far, 1 images/s, {duration(10**6 - second)} left\n"
    assert times[:4] == [1, 61, 121, 181]
    assert times[-1] - times[-2] > 300 and len(times) < 150


def test_no_line_is_printed_beside_a_bar(capsys):
    Pace(10, lines=False, clock=Clock()).tell(5, lambda: "so far")
    assert capsys.readouterr().err == ""
