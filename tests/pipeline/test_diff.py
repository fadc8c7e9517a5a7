import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import PipelineError, diff, wire
from pipeline.diff import Line, Report, report
from tests.pipeline.serving import token_endpoint_alone
from tests.pipeline.test_changes import NUMBER, endpoint
from tests.pipeline.test_generate import TWO_UNREADABLE, snapshot

ROOT = Path(__file__).parents[2]
SPEC = token_endpoint_alone()


def changed(old: str, new: str) -> str:
    assert old in SPEC
    return SPEC.replace(old, new)


@pytest.fixture
def no_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "compare", lambda *_: [])


@pytest.mark.usefixtures("no_wire")
@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (("Provides", "Hands out"), []),
        (
            ("- General", "- Token"),
            [
                ("breaking", "`setle_api.api.general.create_access_token` is gone"),
                ("compatible", "`setle_api.api.token.create_access_token` is new"),
            ],
        ),
        (
            (NUMBER, NUMBER.replace("number", "string\n          enum: [a]")),
            [
                (
                    "breaking",
                    "`setle_api.models.AccessTokenResponse.expires_in`: "
                    "type is `AccessTokenResponseExpiresIn`, was `float`",
                ),
                ("compatible", "`setle_api.models.AccessTokenResponseExpiresIn` is new"),
            ],
        ),
    ],
    ids=["words", "tag", "values"],
)
def test_python_names_are_compared(
    scratch: Path, change: tuple[str, str], lines: list[tuple[str, str]]
) -> None:
    """Both descriptions become packages, whose names are compared."""
    found = report(scratch, SPEC, changed(*change))
    assert found.is_complete
    assert [(line.kind, line.part, line.text) for line in found.lines] == [
        (kind, "python", text) for kind, text in lines
    ]


def test_the_same_description_takes_no_time(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs when nothing can differ."""
    monkeypatch.setattr(diff, "build_side", pytest.fail)
    assert report(scratch, SPEC, SPEC) == Report(())


@pytest.mark.usefixtures("no_wire")
def test_nothing_is_written(scratch: Path) -> None:
    """The folder is as before, whatever is compared."""
    before = snapshot(scratch)
    report(scratch, SPEC, changed("paths:\n", endpoint()))
    assert snapshot(scratch) == before


def test_a_correction_that_fits_no_longer_is_left_out(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is compared, and a note names the correction and the side."""
    monkeypatch.setattr(wire, "compare", lambda *_: [(True, "it")])
    found = report(scratch, SPEC, changed("        - error\n", ""))
    assert found == Report(
        (Line("breaking", "wire", "it"),),
        (
            "compared without a correction, on the new description: overlay action 4 "
            "($.components.schemas.DefaultHttpException.required[?@ == 'error']) matches nothing: "
            "upstream moved; adapt or drop the action",
        ),
    )


@pytest.mark.usefixtures("no_wire")
def test_what_make_generate_will_stop_at_is_noted(scratch: Path) -> None:
    """A report of a change that cannot be taken over yet says so."""
    found = report(scratch, SPEC, changed("- General", "- Token"))
    [note] = found.notes
    assert note.startswith("make generate will stop: wrapper/setle/_endpoint/ask.py imports ")


def test_a_side_that_cannot_be_generated_is_compared_by_the_names_it_tells(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Endpoints and models are, and the wire; the report is said to be incomplete."""
    monkeypatch.setattr(wire, "compare", lambda *_: [(False, "it")])
    new = changed("in: header", "in: hedder").replace("paths:\n", endpoint())
    found = report(scratch, SPEC, new)
    assert found.lines == (
        Line("compatible", "python", "`setle_api.api.estate.list_x` is new"),
        Line("compatible", "wire", "it"),
    )
    assert not found.is_complete
    stops, cannot, how = found.notes[0], found.notes[-2], found.notes[-1]
    assert stops.startswith("make generate will stop: POST /v1/oauth/token, hedder x-setle-")
    assert cannot.startswith("the new description cannot be generated from: ")
    assert how.startswith("Python names are compared as far as the descriptions tell them")


def test_an_endpoint_that_cannot_be_generated_leaves_the_others(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the generator leaves out is noted, with the side."""
    monkeypatch.setattr(wire, "compare", lambda *_: [])
    found = report(scratch, SPEC, changed("paths:\n", TWO_UNREADABLE + endpoint()[7:]))
    assert [line.text for line in found.lines] == ["`setle_api.api.estate.list_x` is new"]
    assert [note[:62] for note in found.notes] == [
        "compared without a part, on the new description: openapi-pytho"
    ] * 2


@pytest.mark.parametrize(
    ("error", "note", "is_complete"),
    [
        (wire.WireSkippedError("no Node"), "wire part skipped: no Node", True),
        (PipelineError("a bug"), "the wire could not be compared: a bug", False),
    ],
)
def test_without_the_wire_the_names_are_left(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, note: str, is_complete: bool
) -> None:
    """One note says why; only a failure makes the report incomplete."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(wire, "compare", fail)
    found = report(scratch, SPEC, changed("paths:\n", endpoint()))
    assert [line.text for line in found.lines] == ["`setle_api.api.estate.list_x` is new"]
    assert found.notes == (note,)
    assert found.is_complete is is_complete


@pytest.mark.parametrize(("old", "new"), [("", SPEC), (SPEC, "[]")])
def test_what_is_no_description_is_refused(scratch: Path, old: str, new: str) -> None:
    """The error says which of the two it is."""
    with pytest.raises(PipelineError, match=f"the {'new' if old else 'old'} description is "):
        report(scratch, old, new)


LINES = Report(
    (
        Line("compatible", "python", "`a` is new"),
        Line("breaking", "python", "`b` is gone"),
        Line("compatible", "wire", "`GET /a`: added"),
    ),
    ("one thing",),
)


def test_text_is_for_the_terminal() -> None:
    """Two parts, what breaks first, notes last."""
    assert LINES.render("text") == (
        "Python names:\n- breaking   `b` is gone\n- compatible `a` is new\n\n"
        "The wire:\n- compatible `GET /a`: added\n\nnote: one thing\n"
    )


def test_markdown_is_for_a_pull_request() -> None:
    """The same with headings."""
    assert LINES.render("markdown") == (
        "### Python names\n\n- **breaking** `b` is gone\n- **compatible** `a` is new\n\n"
        "### The wire\n\n- **compatible** `GET /a`: added\n\n> one thing\n"
    )


def test_no_change_is_said() -> None:
    """An empty report is no empty page."""
    assert Report(()).render("text") == "Nothing changes for users.\n"
    assert not Report(()).breaking


@pytest.fixture
def repository(one_endpoint: Path) -> Path:
    """Return a scratch copy with one commit."""
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "One"]):
        subprocess.run(["git", *arguments], cwd=one_endpoint, check=True)
    return one_endpoint


def command(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # No Node in it: the wire has its own tests.
    path = root.parent / "bin"
    path.mkdir(exist_ok=True)
    if not (path / "git").exists():
        (path / "git").symlink_to(str(shutil.which("git")))
    return subprocess.run(
        [sys.executable, "-m", "pipeline.diff", "--root", str(root), *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": str(path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_the_last_version_in_git_is_the_old_one(repository: Path) -> None:
    """With the overlay of that time; what is compatible is no failure."""
    (repository / "openapi.yaml").write_text(
        changed("paths:\n", endpoint()).replace("        - error\n", ""), encoding="utf-8"
    )
    overlay = (repository / "openapi.overlay.yaml").read_text(encoding="utf-8")
    start = overlay.index(
        "  - target: $.components.schemas.DefaultHttpException.required[?@ == 'err"
    )
    end = overlay.index("  - target: >-")
    (repository / "openapi.overlay.yaml").write_text(overlay[:start] + overlay[end:])
    result = command(repository)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "Python names:\n- compatible `setle_api.api.estate.list_x` is new\n\n"
        "note: wire part skipped: there is no Node with npx here\n\n"
        "go on with make test check; what is new goes into CHANGELOG.md\n"
    )


def test_what_breaks_is_a_failure(repository: Path, tmp_path: Path) -> None:
    """Status 1, against a file as well, in markdown as well."""
    old = tmp_path / "old.yaml"
    old.write_text(changed("paths:\n", endpoint()), encoding="utf-8")
    result = command(repository, "--old", str(old), "--format", "markdown")
    assert (result.returncode, result.stderr) == (1, "")
    assert "- **breaking** `setle_api.api.estate.list_x` is gone\n" in result.stdout


def test_what_could_not_be_compared_is_another_failure(repository: Path) -> None:
    """Status 2 says that no breaking line is no all-clear."""
    new = changed("in: header", "in: hedder")
    (repository / "openapi.yaml").write_text(new, encoding="utf-8")
    result = command(repository)
    assert (result.returncode, result.stderr) == (2, "")
    assert "note: the new description cannot be generated from: " in result.stdout
    assert result.stdout.endswith("mend what the notes name, and run make diff again\n")


def test_a_failure_of_the_tool_is_one_line(scratch: Path) -> None:
    """Outside of git there is nothing to compare with: status 2 too."""
    result = command(scratch)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: git has no openapi.yaml: ")
    assert result.stderr.endswith("; give the old one with --old\n")
