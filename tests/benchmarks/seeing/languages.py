"""Annotations in six languages, to compare how well `lite` finds the same events in each.

    python -m tests.benchmarks.seeing.languages --annotations STREAMS.jsonl > SIX.jsonl
    watchword eval --profile lite --annotations SIX.jsonl --videos DIR --json

Writes each annotation whose description is in ``languages.tsv`` once in each language, which becomes its family
(``source``): figures per family are figures per language.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("languages.tsv")


def in_six_languages(annotations: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield annotations of translated descriptions in each language, with ids of their own."""
    languages, *rows = (line.split("\t") for line in TABLE.read_text("utf-8").splitlines())
    translated = {row[0]: row for row in rows}
    known = (a for a in annotations if a["query"] in translated)
    for i, annotation in enumerate(known):
        for j, (language, query) in enumerate(zip(languages, translated[annotation["query"]], strict=True)):
            yield {**annotation, "qid": i * len(languages) + j, "query": query, "source": language}


def main() -> None:
    """Print the annotations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=Path, required=True)
    lines = parser.parse_args().annotations.read_text("utf-8").splitlines()
    for annotation in in_six_languages(json.loads(line) for line in lines):
        print(json.dumps(annotation, ensure_ascii=False))


if __name__ == "__main__":
    main()
