"""Every example in the README works as it stands, against the sandbox."""

import re
from pathlib import Path

import pytest

from setle.testing import Sandbox

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    """With the settings in the environment, it runs to its end without a warning."""
    for name in ("base_url", "client_id", "client_secret"):
        monkeypatch.setenv(f"SETLE_{name.upper()}", getattr(sandbox, name))
    (tmp_path / "credentials.txt").write_text(f"{sandbox.client_id} {sandbox.client_secret}\n")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(EXAMPLES[number], f"README example {number + 1}", "exec"), names)
    for name, value in names.items():
        if name.startswith("test_") and callable(value):
            value(setle_sandbox=sandbox)


def test_the_first_example_lists_what_can_be_renovated(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints a reference and a link for each estate, and costs one token request."""
    for name in ("base_url", "client_id", "client_secret"):
        monkeypatch.setenv(f"SETLE_{name.upper()}", getattr(sandbox, name))
    exec(EXAMPLES[0], {})
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(re.fullmatch(r"\S+ https://\S+", line) for line in lines)
    assert sandbox.token_requests == 1


def test_the_commands_are_those_of_the_makefile() -> None:
    """Whoever types what the README says finds the target."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    commands = re.findall(r"^    make ([a-z-]+)", README, re.MULTILINE)
    assert commands
    for command in commands:
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), command
