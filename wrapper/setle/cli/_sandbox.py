"""``setle sandbox``: a Setle to test against, in the foreground."""

import json
import threading
from typing import Any, BinaryIO

import click

from ._command import UNUSABLE, Failure, group


@group.command()
@click.option("--port", default=0, help="Where to listen; a free one unless given.")
@click.option("--lifetime", type=click.FloatRange(0), default=3600.0, help="Of a token; 3600.")
@click.option("--delay", type=click.FloatRange(0), default=0.0, help="Of the token endpoint.")
@click.option("--estates", type=click.File("rb"), help="JSON that /v1/estate/list answers.")
def sandbox(estates: BinaryIO | None, **settings: Any) -> None:
    """
    Run a Setle to test against, on this machine, until Ctrl-C.

    Prints the settings for it, then a line on stderr for each request. Times are in seconds.
    """
    try:
        from ..testing import Sandbox

        more = {"estates": json.load(estates)} if estates else {}
        with Sandbox(**settings, **more, on_answer=lambda it: click.echo(it, err=True)) as box:
            for name in ("base_url", "client_id", "client_secret"):
                click.echo(f"export SETLE_{name.upper()}={getattr(box, name)}")
            threading.Event().wait()
    except (TypeError, ValueError) as error:
        raise Failure(f"--estates holds no JSON list: {error}", UNUSABLE) from error
    except (ImportError, OSError) as error:
        raise Failure(str(error), UNUSABLE) from error
