"""Other packages that put files into the folders of this program. Standard library only: it must work when they do not.

The names of the packages are common words. ``python-daemon`` installs ``daemon/__init__.py`` over ours; where this
program is installed as editable, its package hides ours altogether.
"""

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

OURS = "watchword"  # the distribution
PACKAGES = ("watchword", "daemon", "workers", "alignment")


def hidden() -> set[str]:
    """Return our packages in whose place Python finds others, without importing them.

    With an editable installation that is no error in itself: modules of ours are still found in another's package, and
    the program would run without what it reads from its own folders.
    """
    ours = Path(__file__).resolve().parents[1]
    origins = {package: spec.origin for package in PACKAGES if (spec := find_spec(package))}
    return {package for package, origin in origins.items() if origin and ours not in Path(origin).resolve().parents}


def intruders() -> dict[str, tuple[str, ...]]:
    """Return our packages into whose folders other distributions install files, with the names of these."""
    found = {package: set[str]() for package in PACKAGES}
    for distribution in metadata.distributions():
        name = str(distribution.metadata["Name"])
        if name.lower() != OURS:
            for package in _tops(distribution) & found.keys():
                found[package].add(name)
    return {package: tuple(sorted(names)) for package, names in found.items() if names}


def remedy(names: tuple[str, ...]) -> str:
    """Return how to get rid of other distributions, in one line."""
    return (
        f"pip uninstall {' '.join(names)}, then pip install --force-reinstall --no-deps {OURS}; "
        "if both are needed, install them in virtual environments of their own"
    )


def _tops(distribution: metadata.Distribution) -> set[str]:
    """Return the folders and modules that a distribution installs, of the topmost level."""
    listed = distribution.read_text("top_level.txt")
    if listed:
        return set(listed.split())
    return {file.parts[0] for file in distribution.files or () if file.suffix == ".py" and file.parts}
