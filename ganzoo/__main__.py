"""`python -m ganzoo`: the command, where its folder is not on the path."""

from ganzoo.cli import main

main()
