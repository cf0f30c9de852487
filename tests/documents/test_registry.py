"""Every command and program in the documents is run by a test, or is listed here with the reason why not."""

import re

from tests.support.documents.documents import ROOT, blocks

# (document, how the block begins): why no test runs it
NOT_RUN = {
    ("README.md", "$ make run "): "installs 6 GB; tests/deploy/test_makefile.py checks what it runs",
    ("README.md", "$ pip install 'watchword[clip]'"): "downloads a package and a model of hundreds of megabytes",
    ("CONTRIBUTING.md", "$ make venv"): "the tests themselves; tests/deploy/test_makefile.py checks them",
    ("docs/operations.md", "head$ ray get-auth-token"): "several machines; test_ray_cluster.py has two nodes",
    ("docs/training.md", "$ ray start --head"): "several machines; test_distributed.py has two workers",
}  # fmt: skip


def asked_for() -> set[tuple[str, str]]:
    """Return document and beginning of every block that a test asks for."""
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for document, start in re.findall(r'documented\(\s*"([^"]+)",\s*(?:r?)"((?:[^"\\]|\\.)+)"', path.read_text()):
            found.add((document, start.replace("\\n", "\n").replace('\\"', '"')))
    return found


def test_every_block_is_run_or_excused() -> None:
    known = asked_for() | NOT_RUN.keys()
    forgotten = [
        (block.document, block.text.splitlines()[0])
        for block in blocks()
        if not any(block.document == document and block.text.startswith(start) for document, start in known)
    ]
    assert forgotten == []


def test_every_excuse_and_every_test_has_its_block() -> None:
    for document, start in asked_for() | NOT_RUN.keys():
        found = [b for b in blocks(()) if b.document == document and b.text.startswith(start)]
        assert len(found) == 1, (document, start)


def test_commands_have_a_language_so_that_they_are_seen_here() -> None:
    silent = [b for b in blocks(("", "sh", "bash", "shell", "js", "py")) if re.match(r"\$ |watchword |import ", b.text)]
    assert silent == []
