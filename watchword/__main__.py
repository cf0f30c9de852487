"""The command ``watchword``, also as ``python -m watchword``."""

import sys

from workers.installation import hidden, intruders, remedy

UNEXPECTED = 1


def main() -> None:
    """Run the command line. If another package has replaced a part of the program, say which, and exit with 1."""
    if hidden():
        _refuse()
    try:
        from daemon.cli import main as run
    except ImportError:
        _refuse()
        raise
    run()


def _refuse() -> None:
    """Print which distributions have replaced packages of ours and exit with 1; return if none is known."""
    replaced = intruders()
    for package, names in replaced.items():
        print(f"error: {', '.join(names)} has replaced the package `{package}` of Watchword", file=sys.stderr)  # noqa: T201
        print(f"  {remedy(names)}", file=sys.stderr)  # noqa: T201
    if replaced:
        sys.exit(UNEXPECTED)


if __name__ == "__main__":
    main()
