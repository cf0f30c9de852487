"""What CONTRIBUTING.md says of folders and files holds for all of them."""

from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = [path for top in ("daemon", "workers", "alignment", "tests") for path in (ROOT / top).rglob("*.py")]
MOST_MODULES, MOST_LINES = 15, 400


def test_no_folder_has_too_many_modules_to_look_through() -> None:
    count = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert len(count) > 100
    assert {str(folder): n for folder, n in count.items() if n > MOST_MODULES} == {}


def test_no_file_is_too_long_to_read_in_one_go() -> None:
    lines = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: n for path, n in lines.items() if n > MOST_LINES} == {}
