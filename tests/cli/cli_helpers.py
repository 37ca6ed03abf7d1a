"""The command line in a process of its own, and what it says about mistakes."""

import sys

from helpers import assert_one_line as assert_one_line

GANZOO = [sys.executable, "-c", "from ganzoo.cli import main; main()"]
