"""``setle api``: a request with the token, to the API and nowhere else."""

import json
import os
import re
from collections.abc import Iterable
from typing import BinaryIO

import click

import setle

from ._command import FAILED, UNAVAILABLE, UNUSABLE, Failure, credentials, group, printable, store

# All of it comes after the host, so that none of it can change that. What looks as if it was
# to, for httpx or a browser, is refused.
_PATH = re.compile(r"/(?!/)[!-~]*")
_NAME = re.compile(r'"(?:[^"\\\n]|\\.)*"(?=:)')  # in JSON that is laid out

Pairs = list[tuple[str, str]]


def _split(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> Pairs:
    separator = "=" if option.name == "fields" else ":"
    if not all(value.find(separator) > 0 for value in values):
        raise click.BadParameter(f"it has the form name{separator}value.")
    return [(name, rest) for name, _, rest in (value.partition(separator) for value in values)]


_FIELD = "KEY=VALUE, a string of the JSON body; of the query with -X GET or --input."


@group.command()
@click.argument("path")
@click.option("-X", "--method", help="Instead of GET, or of POST where there is a body.")
@click.option("-f", "--field", "fields", multiple=True, callback=_split, help=_FIELD)
@click.option("-H", "--header", "headers", multiple=True, callback=_split, help="NAME:VALUE.")
@click.option("--input", "body", type=click.File("rb"), help="The body; - is stdin.")
@click.option("-i", "--include", is_flag=True, help="Print status and headers, too.")
def api(
    path: str, *, method: str, fields: Pairs, headers: Pairs, body: BinaryIO | None, include: bool
) -> None:
    """
    Send a request to PATH, such as /v1/estate/list, and print the answer.

    JSON is laid out and coloured on a terminal; elsewhere the answer comes as it is.
    """
    import httpx

    if not _PATH.fullmatch(path) or set("\\#") & set(path):
        raise Failure("PATH begins with one /, names no host, is percent-encoded", UNUSABLE)
    method = (method or ("POST" if body or fields else "GET")).upper()
    http = setle.connect(credentials(), store=store()).get_httpx_client()
    content = body.read() if body else None
    if fields and not body and method not in ("GET", "HEAD"):
        content, fields = json.dumps(dict(fields)).encode(), []
    try:
        url = httpx.URL(str(http.base_url).rstrip("/") + path)
        for name, value in fields:
            url = url.copy_add_param(name, value)
        sent = httpx.Headers({} if content is None else {"Content-Type": "application/json"})
        sent.update([(name, value.strip()) for name, value in headers])
        if {"authorization", "host"} & sent.keys():
            raise Failure("Authorization and Host are set by setle; leave them off", UNUSABLE)
        with http, http.stream(method, url, headers=sent, content=content) as response:
            if include:
                head = [f"{response.http_version} {response.status_code} {response.reason_phrase}"]
                rest = [it for it in response.headers.multi_items() if "authorization" not in it[0]]
                click.echo("\n".join(map(printable, [*head, *map(": ".join, rest), ""])))
            _show(response.iter_bytes(), response.encoding or "utf-8")
    except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError):  # shows the header
        raise Failure("HTTP can send no such method, header, field or path", UNUSABLE) from None
    except httpx.RequestError as error:
        said = f"no answer from {url.host} ({str(error) or type(error).__name__})"
        raise Failure(f"{said}; 'setle doctor' looks for the cause", UNAVAILABLE) from error
    if not response.is_success:
        said = f"{method} {url.path} answered {response.status_code} {response.reason_phrase}"
        raise Failure(f"{said}; the answer, and its headers with -i, say why", FAILED)


def _show(content: Iterable[bytes], encoding: str) -> None:
    parts = [_readable(b"".join(content), encoding)] if os.isatty(1) else content
    for part in parts:
        click.echo(part, nl=False, color=True)


def _readable(content: bytes, encoding: str) -> str:
    """Return *content* for a terminal: JSON laid out and coloured, or text."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    try:
        text = content.decode(encoding)
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except UnicodeDecodeError:
        raise Failure("the answer is binary; write it to a file with >", UNUSABLE) from None
    except (ValueError, RecursionError):
        plain = True
    text = "".join(f"{printable(line)}\n" for line in text.splitlines())
    return text if plain else _NAME.sub("\x1b[34m\\g<0>\x1b[39m", text)
