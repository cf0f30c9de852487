"""The command ``watchword``, also as ``python -m watchword``."""

import sys

from workers.installation import intruders, remedy

UNEXPECTED = 1


def main() -> None:
    """Run the command line. If another package has replaced a part of the program, say which, and exit with 1."""
    try:
        from daemon.cli import main as run
    except ImportError:
        replaced = intruders()
        if not replaced:
            raise
        for package, names in replaced.items():
            print(f"error: {', '.join(names)} has replaced the package `{package}` of Watchword", file=sys.stderr)  # noqa: T201
            print(f"  {remedy(names)}", file=sys.stderr)  # noqa: T201
        sys.exit(UNEXPECTED)
    run()


if __name__ == "__main__":
    main()
