import functools
import json
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline import PipelineError, wire
from tests.pipeline.serving import token_endpoint_alone

SPEC = token_endpoint_alone()
TOKEN = "#/paths/~1v1~1oauth~1token"


def change(impact: str, kind: str, path: str, **more: Any) -> dict[str, Any]:
    """Return one entry of Redocly's output, as version 2.77.0 writes it."""
    message = more.pop("message", None)
    verdicts = [{"ruleId": "a-rule", "impact": impact, "message": message}] if message else []
    sides: dict[str, Any] = {
        side: {"value": more.pop(side)} for side in ("base", "revision") if side in more
    }
    return {"impact": impact, "kind": kind, "path": path, "verdicts": verdicts, **sides, **more}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            change("minor", "added", "#/paths/~1a~0b", revision={"get": {}}),
            [(False, "`/a~b`: added")],
        ),
        (
            change("major", "removed", f"{TOKEN}/get", base={}, message="It is gone."),
            [(True, "`GET /v1/oauth/token`: It is gone.")],
        ),
        (
            change(
                "patch",
                "modified",
                f"{TOKEN}/post/responses/200",
                property="x-a",
                base=1,
                revision=2,
            ),
            [(False, "`POST /v1/oauth/token`, `responses/200`: `x-a` is 2, was 1")],
        ),
        (
            change("patch", "modified", "#/", property="openapi", base="3.0.0", revision="3.1.0"),
            [(False, '`the whole`: `openapi` is "3.1.0", was "3.0.0"')],
        ),
        (
            change("major", "modified", "#/servers/0", property="url", message="Moved."),
            [(True, "`servers/0`: Moved.")],
        ),
        (
            change("patch", "modified", f"{TOKEN}/post", property="tags", base=[], revision=["A"]),
            [],
        ),
        (change("patch", "modified", "#/info", property="title", base="A", revision="B"), []),
        (change("patch", "added", "#/components/schemas/A", revision={}), []),
        (
            change(
                "major", "modified", f"{TOKEN}/post", property="operationId", message="Named B."
            ),
            [(True, "`POST /v1/oauth/token`: Named B.")],
        ),
    ],
)
def test_each_change_is_one_line(entry: dict[str, Any], expected: list[tuple[bool, str]]) -> None:
    """The place reads as a request; words and names of schemas are no change of the wire."""
    assert list(wire.changes(json.dumps({"changes": [entry]}))) == expected


@pytest.mark.parametrize("output", ["", "[]", "{}", '{"changes": [{}]}', '{"changes": null}'])
def test_other_output_is_an_error(output: str) -> None:
    """Another version's output is no empty report."""
    with pytest.raises(PipelineError, match=r"output of @redocly/cli@2\.77\.0 cannot be read"):
        list(wire.changes(output))


def stand_in(folder: Path, script: str) -> str:
    """Return a PATH with a node and an npx that runs *script*."""
    for name in ("node", "npx"):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(stat.S_IRWXU)
    return str(folder)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "echo npm error code ENOTFOUND >&2; exit 1",
            r"npm cannot be reached or refuses \(npm error code ENOTFOUND\)",
        ),
        ("echo npm ERR! network >&2; exit 1", r"npm cannot be .* \(npm ERR! network\)"),
    ],
)
def test_npm_without_a_network_skips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    """What npm says first is the reason."""
    monkeypatch.setenv("PATH", stand_in(tmp_path, script))
    with pytest.raises(wire.WireSkippedError, match=message):
        wire.compare(SPEC, SPEC, tmp_path)


def test_no_node_skips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """npx alone would not do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(wire.WireSkippedError, match="no Node with npx"):
        wire.compare(SPEC, SPEC, tmp_path)


def test_npx_that_hangs_skips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is an end to waiting for a download."""
    monkeypatch.setenv("PATH", stand_in(tmp_path, "exec /bin/sleep 60"))
    monkeypatch.setattr(subprocess, "run", functools.partial(_run, subprocess.run))
    with pytest.raises(wire.WireSkippedError, match=r"npx took longer than 0\.01 s"):
        wire.compare(SPEC, SPEC, tmp_path)


def _run(run: Any, *arguments: Any, **keywords: Any) -> Any:
    return run(*arguments, **{**keywords, "timeout": 0.01})


@pytest.mark.parametrize(
    ("script", "said"), [("echo Error: odd >&2; exit 2", "Error: odd"), ("exit 2", "no output")]
)
def test_a_crash_of_redocly_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    """It is not taken for a missing network."""
    monkeypatch.setenv("PATH", stand_in(tmp_path, script))
    with pytest.raises(PipelineError, match=rf"@redocly/cli@2\.77\.0: {said}; "):
        wire.compare(SPEC, SPEC, tmp_path)


CHANGES = {
    "Provides": "Hands out",
    "/v1/oauth/token": "/v2/oauth/token",
    "paths:\n": "paths:\n  /a: {get: {responses: {'204': {description: No.}}}}\n",
    "https://public-api": "https://api",
    "        - error\n": "",
    "RequestBearerTokenActionOutputDto": "TokenDto",
}


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bool, str]]:
    """Return what the real Redocly CLI, where Node is there and npm can be reached, tells."""
    if shutil.which("npx") is None:
        pytest.skip("there is no npx here")
    new = SPEC
    for old, instead in CHANGES.items():
        assert old in new
        new = new.replace(old, instead)
    try:
        return wire.compare(SPEC, new, tmp_path_factory.mktemp("redocly"))
    except wire.WireSkippedError as reason:
        pytest.skip(str(reason))


RATED = {
    "path": (True, "`/v2/oauth/token`: Path `/v1/oauth/token` was renamed to `/v2/oauth/token`."),
    "endpoint": (False, "`/a`: added"),
    "server": (
        True,
        "`servers/0`: Server `https://public-api.setle.app` became `https://api.setle.app`.",
    ),
    "required": (
        True,
        "`POST /v2/oauth/token`, `responses/400/content/application/json/schema`: "
        "Properties of `DefaultHttpException` are no longer required: `error`.",
    ),
}


@pytest.mark.parametrize("change", RATED.values(), ids=RATED)
def test_redocly_rates_changes(rated: list[tuple[bool, str]], change: tuple[bool, str]) -> None:
    """A line for each, and whether it breaks."""
    assert change in rated


def test_words_and_the_names_of_schemas_are_no_changes(rated: list[tuple[bool, str]]) -> None:
    """There is no line for either."""
    assert set(rated) == {*RATED.values()}
