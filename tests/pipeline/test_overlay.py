import difflib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline import PipelineError
from pipeline.document import dump
from pipeline.overlay import apply

SPEC = """\
openapi: 3.0.0  # a comment
info:
  title: 'Quoted'
  version: "1.0"
required:
  - a
  - b
  - c
long: this line is longer than the eighty columns at which YAML is usually wrapped, and stays so
folded: >-
  two
  lines
flag: true
items:
  - name: one
  - name: two
"""


def overlay(*actions: object, **changes: object) -> str:
    described = [
        {"description": "Why.", **action} if isinstance(action, dict) else action
        for action in actions
    ]
    return json.dumps(
        {"overlay": "1.1.0", "info": {"title": "T", "version": "1"}, "actions": described} | changes
    )


def parsed() -> Any:
    return YAML(typ="safe").load(SPEC)


def applied(*actions: object, **changes: object) -> Any:
    document = parsed()
    apply(document, overlay(*actions, **changes))
    return document


def changed_lines(*actions: object) -> list[str]:
    before, after = (dump(one).splitlines() for one in (parsed(), applied(*actions)))
    diff = difflib.unified_diff(before, after, n=0, lineterm="")
    return [line for line in diff if line[:1] in "+-" and line[:3] not in {"+++", "---"}]


def test_a_plain_value_is_replaced_and_nothing_else() -> None:
    """An update of a plain value changes its line only."""
    action = {"target": "$.info.title", "update": "New"}
    assert changed_lines(action) == ["-  title: Quoted", "+  title: New"]


def test_an_object_is_merged_recursively() -> None:
    """An update of an object adds and replaces properties, and keeps the others."""
    action = {"target": "$", "update": {"info": {"title": "New", "contact": {}}, "tags": []}}
    result = applied(action)
    assert result["info"] == {"title": "New", "version": "1.0", "contact": {}}
    assert result["tags"] == []
    assert result["required"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "action",
    [
        {"target": "$.required", "update": "d"},
        {"target": "$.required", "update": ["d"]},
        {"target": "$", "update": {"required": ["d"]}},
    ],
    ids=["entry", "list", "list inside an object"],
)
def test_a_list_grows_at_its_end(action: dict[str, Any]) -> None:
    """An update of a list appends an entry or the entries of another list."""
    assert changed_lines(action) == ["+  - d"]


def test_a_property_is_removed() -> None:
    """Removing a property takes its lines out and leaves the others alone."""
    assert changed_lines({"target": "$.flag", "remove": True}) == ["-flag: true"]


@pytest.mark.parametrize(
    "target",
    [
        "$.required[?@ == 'a' || @ == 'b']",
        "$.required[0, 1]",
        "$.required[1, 0]",
        "$.required[0, 1, 0]",
    ],
)
def test_several_entries_of_a_list_are_removed(target: str) -> None:
    """Removing entries takes those that matched, in whatever order they matched."""
    assert changed_lines({"target": target, "remove": True}) == ["-  - a", "-  - b"]


def test_every_match_is_updated() -> None:
    """A target that matches twice is updated twice, each with a value of its own."""
    items = applied({"target": "$.items[*]", "update": {"new": {"deep": [1]}}})["items"]
    assert [item["new"] for item in items] == [{"deep": [1]}] * 2
    assert items[0]["new"] is not items[1]["new"]


def test_a_match_that_has_the_value_already_is_no_error_beside_one_that_has_not() -> None:
    """An action is stale only when none of its matches changes."""
    action = {"target": "$.items[*]", "update": {"name": "one"}}
    assert changed_lines(action) == ["-  - name: two", "+  - name: one"]


def test_actions_see_the_outcome_of_those_before() -> None:
    """Actions are applied in order."""
    first = {"target": "$.info", "update": {"contact": {}}}
    second = {"target": "$.info.contact", "update": {"name": "N"}}
    assert applied(first, second)["info"]["contact"] == {"name": "N"}


@pytest.mark.parametrize("value", [1, 1.0, "true"])
def test_values_python_takes_for_equal_are_a_change(value: object) -> None:
    """Replacing true by 1 counts as a change."""
    assert applied({"target": "$.flag", "update": value})["flag"] == value


def test_all_actions_that_do_not_fit_are_named_at_once() -> None:
    """One that is stale does not hide the next."""
    gone = {"target": "$.gone", "remove": True}
    with pytest.raises(PipelineError) as caught:
        applied(gone, {"target": "$.flag", "remove": True}, gone)
    assert [line[:16] for line in str(caught.value).splitlines()] == [
        "overlay action 1",
        "overlay action 3",
    ]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"target": "$.gone", "update": 1}, "matches nothing: upstream moved"),
        ({"target": "$.gone", "remove": True}, "matches nothing: upstream moved"),
        ({"target": "$.required[?@ == 'z']", "remove": True}, "matches nothing"),
        ({"target": "$.flag", "update": True}, "changes nothing: upstream has it now"),
        ({"target": "$", "update": {"flag": True}}, "changes nothing"),
        ({"target": "$.required", "update": []}, "changes nothing"),
        ({"target": "$.info", "update": {}}, "changes nothing"),
        ({"target": "$.info", "update": "text"}, "puts one kind of value"),
        ({"target": "$", "update": {"required": {}}}, "puts one kind of value"),
        ({"target": "$.flag", "update": {"a": 1}}, "puts one kind of value"),
        ({"target": "$", "remove": True}, "removes the whole document"),
        ({"target": "$.flag"}, "needs either `update` or `remove: true`"),
        ({"target": "$.flag", "remove": False}, "needs either"),
        ({"target": "$.flag", "remove": "yes"}, "needs either"),
        ({"target": "$.flag", "remove": True, "update": False}, "needs either"),
        ({"target": "$.flag", "update": False, "description": " "}, "has no description"),
        ({"target": "$.flag", "updaet": False}, "has unknown keys: updaet"),
        ({"target": "$.flag", "copy": "$.info"}, "has unknown keys: copy"),
        ({"target": "flag", "remove": True}, "has no valid target"),
        ({"target": "$.flag[", "remove": True}, "has no valid target"),
        ({"update": 1}, "has no target"),
        ({"target": 1, "update": 1}, "has no target"),
        ("remove it", "has no target"),
    ],
)
def test_an_action_that_does_not_fit_is_named(action: object, message: str) -> None:
    """The error gives number and target of the action, and what to do about it."""
    good = {"target": "$.info.title", "update": "New"}
    with pytest.raises(PipelineError) as caught:
        applied(good, action)
    target = action.get("target") if isinstance(action, dict) else action
    assert str(caught.value).startswith(f"overlay action 2 ({target}) {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (overlay(overlay="1.0.0"), "overlay: 1.1.0"),
        (overlay(overlay="1.10.0"), "overlay: 1.1.0"),
        (overlay(overlay=1.1), "overlay: 1.1.0"),
        ("[]", "overlay: 1.1.0"),
        ("", "overlay: 1.1.0"),
        (overlay(actoins=[]), "unknown keys: actoins"),
        (overlay(), "no list of actions"),
        (overlay(actions={"a": 1}), "no list of actions"),
        ("actions: [", "not YAML"),
        ("overlay: 1.1.0\noverlay: 1.1.0", "not YAML"),
    ],
)
def test_a_malformed_overlay_is_refused(text: str, message: str) -> None:
    """Another version, an unknown key, no action: nothing is applied."""
    with pytest.raises(PipelineError, match=message):
        apply(parsed(), text)


def test_extensions_are_allowed() -> None:
    """Keys that start with x- are nobody's business."""
    action = {"target": "$.flag", "remove": True, "description": "Why.", "x-ticket": 1}
    assert "flag" not in applied(action, **{"x-owner": "me"})


PLAIN = st.none() | st.booleans() | st.integers() | st.text("ab:# '\"\n", max_size=5)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(before=VALUES, after=VALUES)
def test_removing_and_adding_gives_the_new_value(before: object, after: object) -> None:
    """Whatever a property holds, removing it and adding another value gives that value."""
    actions = [{"target": "$.it", "remove": True}, {"target": "$", "update": {"it": after}}]
    document = {"kept": before, "it": before}
    apply(document, overlay(*actions))
    assert document == {"kept": before, "it": after}
