"""Each rule does what it says, is needed, and with all of them every call is right."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline import PipelineError, generate, rules
from pipeline.document import dump
from tests.pipeline.described import parsed, repository, with_more

TROUBLES: Any = YAML(typ="safe").load(Path(__file__).parents[1] / "cases" / "troubles.yaml")
NEEDED = [name for name, trouble in TROUBLES.items() if not trouble.get("works")]


def described(*troubles: Any) -> str:
    """Return the description that holds *troubles*, beside the token endpoint."""
    spec = parsed(with_more())
    spec["openapi"] = troubles[0].get("version", "3.0.0")
    for trouble in troubles:
        spec["paths"].update(trouble["paths"])
        spec["components"]["schemas"].update(trouble.get("schemas", {}))
    return dump(spec)


def test_every_rule_has_a_reason_a_source_and_a_case() -> None:
    """Its docstring is what `make generate` shows and where the reader learns more."""
    assert [rule.__name__ for rule in rules.RULES if rule.__name__ not in TROUBLES] == []
    for rule in rules.RULES:
        assert rule.__doc__ is not None
        assert "Source: " in rule.__doc__, rule.__name__


@pytest.mark.parametrize("name", TROUBLES)
def test_a_rule_tells_what_it_does_at_each_place(name: str) -> None:
    """Operation or schema, place, and what becomes of it."""
    trouble = TROUBLES[name]
    _, outcomes = rules.apply(parsed(described(trouble)))
    notes = [note for outcome in outcomes if outcome.rule == name for note in outcome.notes]
    places = [*trouble["paths"], *trouble.get("schemas", {})]
    told = [f"{note.place} {note.what}" for note in notes]
    assert [one for one in told if any(place in one for place in places)] == trouble["notes"]


@pytest.mark.parametrize("name", NEEDED)
def test_without_a_rule_its_case_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The generator, or else the round trip, finds what the rule is there for."""
    rest = tuple(rule for rule in rules.RULES if rule.__name__ != name)
    monkeypatch.setattr(rules, "RULES", rest)
    root = repository(tmp_path / "root", described(TROUBLES[name]))
    with pytest.raises(PipelineError):
        generate.generate(root)


@pytest.mark.parametrize("version", ["3.0.0", "3.1.0"])
def test_with_all_rules_every_call_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    """All cases in one description; in 3.1 as in 3.0."""
    troubles = [one for one in TROUBLES.values() if one.get("version", "3.0.0") <= version]
    text = described({"paths": {}, "version": version}, *troubles)
    root = repository(tmp_path / "root", text)
    generate.generate(root)
    assert "operations do as described; go on with make diff\n" in capsys.readouterr().out
