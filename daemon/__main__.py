"""``python -m daemon`` is ``watchword``."""

from daemon.cli import main

main()
