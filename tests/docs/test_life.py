"""The picture and the table of a token's life say what the package does."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from docs.life import PICTURE, drawn
from setle._time import refresh_after, stale_after

PAGE = (Path(__file__).parents[2] / "docs" / "life.md").read_text("utf-8")
SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_is_of_today() -> None:
    """It is what ``python -m docs.life`` draws; run that after changing the arithmetic."""
    assert PICTURE.read_text("utf-8") == drawn()


@pytest.mark.parametrize("lifetime", [10.0, 300.0, 3600.0, 86_400.0])
def test_the_picture_shows_the_instants_of_any_lifetime(lifetime: float) -> None:
    """When refreshes begin, when calls wait, and when the token ends, from left to right."""
    texts = ET.fromstring(drawn(lifetime)).iter(f"{SVG}text")
    places = {text.text: float(text.attrib["x"]) for text in texts}
    instants = [refresh_after(lifetime, 1.0), refresh_after(lifetime, 0.0), stale_after(lifetime)]
    shown = [places[f"{instant:,.0f}"] for instant in instants]
    assert shown == sorted(shown)
    assert f"{lifetime:,.0f} s" in places


def test_the_worked_example_is_what_the_package_does() -> None:
    """The seconds that the page gives for a token of an hour are those of the arithmetic."""
    first, last = refresh_after(3600, 1.0), refresh_after(3600, 0.0)
    assert f"| {first:,.0f} … {last:,.0f} s |" in PAGE
    assert f"| {stale_after(3600):,.0f} s |" in PAGE
