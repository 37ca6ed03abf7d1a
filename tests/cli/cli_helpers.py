"""The command line in a process of its own, and what it says about mistakes."""

import sys

GANZOO = [sys.executable, "-c", "from ganzoo.cli import main; main()"]


def assert_one_line(result, *parts):
    """A mistake: status 2, nothing on stdout, one line on stderr that holds the parts."""
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.startswith("ganzoo: ") and err.count("\n") == 1 and "Traceback" not in err
    for part in parts:
        assert part in err
