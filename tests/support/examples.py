"""The examples of the documentation, as they stand on its pages."""

import re
import shlex
from itertools import takewhile
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)


@attrs.frozen
class Recipe:
    """
    What stands below one headline.

    Args:
        text: All of it.
        programs: What runs as it is.
        files: What is put into files of these names first.
        commands: What is typed.
    """

    text: str
    programs: list[str]
    files: dict[str, str]
    commands: list[str]

    @property
    def program(self) -> str:
        """The only program."""
        (program,) = self.programs
        return program

    @property
    def typed(self) -> tuple[list[str], dict[str, str]]:
        """The words of the only command, and the variables that stand before it."""
        (command,) = self.commands
        words = shlex.split(command)
        variables = [*takewhile(lambda word: "=" in word, words)]
        return words[len(variables) :], dict(each.split("=", 1) for each in variables)

    def write(self, folder: Path) -> None:
        """Put the files into *folder*."""
        for name, content in self.files.items():
            (folder / name).write_text(content, "utf-8")


def recipe_in(text: str) -> Recipe:
    """Return what *text* holds."""
    blocks = _BLOCK.findall(text)
    return Recipe(
        text,
        programs=[code for language, title, code in blocks if language == "python" and not title],
        files={title: code for _, title, code in blocks if title},
        commands=[code for language, title, code in blocks if language == "sh" and not title],
    )


def recipes_of(page: str) -> dict[str, Recipe]:
    """Return the recipes of a *page* of the documentation, by their headlines."""
    _, *sections = re.split(r"^## ", (ROOT / "docs" / page).read_text("utf-8"), flags=re.MULTILINE)
    return {section.partition("\n")[0]: recipe_in(section) for section in sections}


RECIPES = {
    title: recipe
    for page in ("recipes.md", "recipes/web.md", "recipes/jobs.md")
    for title, recipe in recipes_of(page).items()
}
