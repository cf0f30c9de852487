"""What is installed is ours, and only what is meant to be."""

import tomllib
from pathlib import Path

import alignment
import daemon
import watchword
import workers

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("alignment", "workers", "daemon", "watchword")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_packages_are_ours() -> None:
    """`daemon` also names a module of python-daemon, which some library may bring along."""
    for package in (alignment, workers, daemon, watchword):
        assert Path(str(package.__file__)).parent == ROOT / package.__name__


def test_every_package_is_listed() -> None:
    folders = {p.parent.relative_to(ROOT) for top in PACKAGES for p in (ROOT / top).rglob("*.py")}
    assert {".".join(f.parts) for f in folders} == set(SETTINGS["packages"])


def test_tests_and_deploy_are_not_installed() -> None:
    tops = {name.partition(".")[0] for name in SETTINGS["packages"]}
    assert tops == set(PACKAGES)


def test_every_data_file_is_packaged() -> None:
    covered = {
        path
        for package, patterns in SETTINGS["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package).glob(pattern)
    }
    kinds = {".lua", ".json", ".yaml", ".mp4", ".md", ".html", ".css", ".js", ".safetensors", ".onnx", ".typed"}
    data = {p for top in PACKAGES for p in (ROOT / top).rglob("*") if p.suffix in kinds}
    assert {p for p in data if ".watchword" not in p.parts} <= covered


def test_every_package_has_types_for_its_users() -> None:
    assert [top for top in PACKAGES if not (ROOT / top / "py.typed").exists()] == []
