"""
Cut a release: check, set the version, date its part of CHANGELOG.md, commit and tag.

It pushes nothing. Pushing the tag starts `.github/workflows/release.yml`, which publishes.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from packaging.version import InvalidVersion, Version

URLS = {"Changelog", "Documentation", "Issues", "Security", "Source"}
UNRELEASED = "## [Unreleased]\n"
VERSION_FILE = Path("wrapper", "setle", "_version.py")
VERSION_LINE = re.compile(r'(?<=^__version__ = ").*(?="$)', re.MULTILINE)


def git(root: Path, *arguments: str) -> str:
    """Return what git says to *arguments* in the checkout *root*."""
    return subprocess.check_output(["git", *arguments], cwd=root, text=True).strip()


def is_version(text: str) -> bool:
    """Tell whether *text* is a version as PEP 440 writes it, so that tag and wheel agree."""
    try:
        return str(Version(text)) == text
    except InvalidVersion:
        return False


def unreleased(changelog: str) -> str:
    """Return what stands between the heading of what is unreleased and the next one."""
    return changelog.partition(UNRELEASED)[2].partition("\n## ")[0].strip()


def obstacles(root: Path, version: str) -> Iterator[str]:
    """Yield what stands against releasing *version* of the checkout *root*, with the remedy."""
    branch = git(root, "branch", "--show-current")
    if branch != "main":
        yield f"this is branch {branch or '(none)'}: git switch main"
    if git(root, "status", "--porcelain"):
        yield "the tree is not clean: commit or remove what git status shows"
    if git(root, "tag", "--list", f"v{version}"):
        yield f"v{version} is there already: choose the next version"
    current = VERSION_LINE.findall((root / VERSION_FILE).read_text("utf-8"))[0]
    if not is_version(version):
        yield f"{version!r} is not a version: make release VERSION=1.2.3 (1.2.3rc1 to try it)"
    elif Version(version) < Version(current):
        yield f"{version} is older than {current}: choose a later version"
    if not unreleased((root / "CHANGELOG.md").read_text("utf-8")):
        yield "CHANGELOG.md says nothing under [Unreleased]: say what changes for users"
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    if missing := sorted(URLS - set(project.get("urls", ()))):
        yield f"pyproject.toml has no {', '.join(missing)} in [project.urls]: say where they are"


def cut(root: Path, version: str) -> None:
    """Write *version* into the checkout *root*, commit and tag it."""
    source = root / VERSION_FILE
    source.write_text(VERSION_LINE.sub(version, source.read_text("utf-8")), "utf-8")
    changelog = root / "CHANGELOG.md"
    heading = f"{UNRELEASED}\n## [{version}] - {datetime.now(UTC):%Y-%m-%d}\n"
    changelog.write_text(changelog.read_text("utf-8").replace(UNRELEASED, heading, 1), "utf-8")
    git(root, "commit", "--quiet", "--all", "--message", f"Release {version}")
    git(root, "tag", "--annotate", "--message", f"setle-client {version}", f"v{version}")


def main(root: Path, version: str) -> str | None:
    """Check, cut *version* and say how to publish it; return what stands against it, or None."""
    if found := list(obstacles(root, version)):
        return "\n".join(f"release: {line}" for line in found)
    if subprocess.run(["make", "check", "build"], cwd=root, check=False).returncode:
        return "release: make check build failed: see above"
    cut(root, version)
    print(f"v{version} is committed and tagged. Publish it with:")
    print(f"  git push --atomic origin main v{version}")
    return None


if __name__ == "__main__":
    sys.exit(main(Path(), *sys.argv[1:2] or [""]))
