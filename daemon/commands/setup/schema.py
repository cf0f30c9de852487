"""``watchword schema``: the JSON Schemas of the configuration and of events."""

import json
from typing import Annotated

import typer

from daemon.config import json_schema
from workers.events.schema import event_schema

app = typer.Typer(add_completion=False)


@app.command()
def schema(
    event: Annotated[bool, typer.Option("--event", help="The schema of an event's body instead.")] = False,
) -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    typer.echo(json.dumps(event_schema() if event else json_schema(), ensure_ascii=False, indent=2))
