"""`python -m daemon`: the command `precomplaint`, for whoever has no script of that name on the path."""

from daemon.cli import main

main()
