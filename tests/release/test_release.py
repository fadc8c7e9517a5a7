"""A release is cut from a clean main that says what changes, or not at all."""

import re
import subprocess
from pathlib import Path

import pytest

from release.__main__ import main

PYPROJECT = """\
[project.urls]
Changelog = "https://example.com/changelog"
Documentation = "https://example.com/docs"
Issues = "https://example.com/issues"
Security = "https://example.com/security"
Source = "https://example.com/source"
"""
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Fixed\n\n- This.\n\n## [0.1.0] - 2026-01-01\n"


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
    return subprocess.check_output(["git", *identity, *arguments], cwd=root, text=True)


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout that can be released, whose `make check build` leaves a file behind."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "somebody@example.com")
    write(tmp_path, "CHANGELOG.md", CHANGELOG)
    write(tmp_path, "pyproject.toml", PYPROJECT)
    write(tmp_path, "wrapper/setle/_version.py", '"""What."""\n\n__version__ = "0.1.0"\n')
    write(tmp_path, "Makefile", "check build:\n\t@touch .git/$@\n")
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def test_a_release_is_checked_committed_and_tagged(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tag holds the version and its dated part of the changelog; how to push it is said."""
    assert main(checkout, "0.2.0") is None
    assert (checkout / ".git" / "check").exists()
    assert (checkout / ".git" / "build").exists()
    assert '__version__ = "0.2.0"\n' in git(checkout, "show", "v0.2.0:wrapper/setle/_version.py")
    changelog = git(checkout, "show", "v0.2.0:CHANGELOG.md")
    heading = r"## \[Unreleased\]\n\n## \[0\.2\.0\] - \d{4}-\d\d-\d\d\n\n### Fixed\n\n- This\.\n"
    assert re.search(heading, changelog)
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "rev-parse", "main") == git(checkout, "rev-parse", "v0.2.0^{commit}")
    assert "git push --atomic origin main v0.2.0" in capsys.readouterr().out


def test_the_version_that_is_there_can_be_the_first(checkout: Path) -> None:
    """What was never released is released under the version that it has."""
    assert main(checkout, "0.1.0") is None
    assert git(checkout, "tag") == "v0.1.0\n"


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("", "make release VERSION="),
        ("1.2.x", "make release VERSION="),
        ("v1.2.3", "make release VERSION="),
        ("01.2.3", "make release VERSION="),
        ("0.0.9", "older than 0.1.0"),
    ],
)
def test_a_version_that_cannot_be_is_refused(checkout: Path, version: str, said: str) -> None:
    """It is not one, not as PEP 440 writes it, or older than the current one."""
    assert said in str(main(checkout, version))
    assert git(checkout, "tag") == ""


def test_a_version_that_was_released_is_refused(checkout: Path) -> None:
    """No tag is moved."""
    git(checkout, "tag", "v0.2.0")
    assert "v0.2.0 is there already" in str(main(checkout, "0.2.0"))


def test_another_branch_is_refused(checkout: Path) -> None:
    """What is released is on main."""
    git(checkout, "switch", "--quiet", "--create", "other")
    assert "git switch main" in str(main(checkout, "0.2.0"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("CHANGELOG.md", "## [Unreleased]\n\n## [0.1.0]\n\n- That.\n", "says nothing"),
        ("CHANGELOG.md", "# Changelog\n\n## [0.1.0]\n\n- That.\n", "says nothing"),
        ("pyproject.toml", '[project]\nurls = { Source = "there" }\n', "no Changelog, Doc"),
        ("pyproject.toml", "[project]\n", "Security, Source in"),
        ("Makefile", "build:\ncheck:\n\t@false\n", "make check build"),
    ],
)
def test_what_is_missing_is_said(checkout: Path, name: str, text: str, said: str) -> None:
    """Nothing is written while the changelog, an address or a check is missing."""
    write(checkout, name, text)
    git(checkout, "commit", "--quiet", "--all", "--message", "Take away")
    assert said in str(main(checkout, "0.2.0"))
    assert git(checkout, "tag") == ""
    assert git(checkout, "status", "--porcelain") == ""


def test_a_tree_with_changes_is_refused(checkout: Path) -> None:
    """Not even a new file may lie about: the build could take it in."""
    write(checkout, "wrapper/setle/new.py", "")
    assert "not clean" in str(main(checkout, "0.2.0"))
