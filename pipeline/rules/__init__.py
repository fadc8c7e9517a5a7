"""
What the generator needs of any description, whoever wrote it.

Each rule is a function that changes the description, after the overlay, where
the generator would write code that loses a call or bends it, and tells what it
did. They run in the order below; some find what others have made plain.
"""

import copy
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pipeline import PipelineError
from pipeline.rules import (
    components,
    contents,
    enums,
    errors,
    inline,
    names,
    nulls,
    parameters,
    parts,
    paths,
    shapes,
)
from pipeline.rules.description import METHODS, Note, Schema, resolved

__all__ = ["RULES", "Note", "Outcome", "apply", "show"]

Rule = Callable[[Schema], Iterator[Note]]

RULES: tuple[Rule, ...] = (
    components.unused_models,
    paths.path_queries,
    names.controller_prefixes,
    parameters.ignored_headers,
    parameters.parameter_contents,
    contents.one_content_type,
    contents.binary_bodies,
    contents.text_answers,
    errors.unknown_statuses,
    errors.empty_errors,
    errors.nest_errors,
    components.far_references,
    components.distinct_models,
    shapes.item_types,
    shapes.defaults,
    shapes.read_only,
    shapes.optional_unions,
    parts.required_variants,
    parts.shared_properties,
    parts.annotations,
    parts.merged_parts,
    components.component_aliases,
    parts.constant_variants,
    nulls.nullable_parameters,
    parameters.constant_headers,
    parameters.query_styles,
    parameters.parameter_formats,
    contents.form_fields,
    contents.binary_values,
    enums.enum_types,
    nulls.nullable_enums,
    nulls.nullable_references,
    nulls.nullable_objects,
    enums.enum_members,
    parts.recursive_unions,
    components.union_members,
    inline.inline_models,
    paths.path_names,
    names.parameter_names,
    names.property_names,
)


class Outcome(NamedTuple):
    """What a rule did."""

    rule: str
    reason: str
    notes: list[Note]


def apply(described: Schema) -> tuple[Schema, list[Outcome]]:
    """Return what the generator is to read of the description *described*, and what was done."""
    spec = copy.deepcopy(described)
    found = []
    for rule in (_write_out, *RULES):
        try:
            notes = list(rule(spec))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # Only what validation would have stopped at brings it here.
            raise PipelineError(
                f"the rule {rule.__name__} cannot read the description: {error!r}; "
                "correct what else is told of it"
            ) from error
        if notes:
            reason = (rule.__doc__ or "").strip().partition("\n")[0]
            found.append(Outcome(rule.__name__, reason, notes))
    return spec, found


def show(outcomes: list[Outcome], *, explain: bool) -> None:
    """Print what each rule did, in a line each or place by place; warnings on stderr."""
    for rule, reason, notes in outcomes:
        count = "1 place" if len(notes) == 1 else f"{len(notes)} places"
        print(f"{rule} ({count}): {reason}")
        if explain:
            print(*(f"  {note.place} {note.what}" for note in notes), sep="\n")
        for note in notes:
            if note.is_warning:
                print(f"warning: {note.place} {note.what}", file=sys.stderr)


def _write_out(spec: Schema) -> Iterator[Note]:
    """Put parameters, bodies and answers where they are used, so that each can be changed alone."""
    # In one order, whatever the file's: what is numbered is the same for pages and files.
    spec["paths"] = dict(sorted((spec.get("paths") or {}).items()))
    shared_parts = spec.get("components") or {}
    if isinstance(shared_parts.get("schemas"), dict):
        shared_parts["schemas"] = dict(sorted(shared_parts["schemas"].items()))
    for item in spec["paths"].values():
        shared = item.pop("parameters", None) or []
        for method in METHODS:
            if not isinstance(operation := item.get(method), dict):
                continue
            own = [_own(spec, one) for one in operation.get("parameters") or ()]
            known = {(one.get("name"), one.get("in")) for one in own}
            more = [_own(spec, one) for one in shared]
            own += [one for one in more if (one.get("name"), one.get("in")) not in known]
            if own:
                operation["parameters"] = own
            if "requestBody" in operation:
                operation["requestBody"] = _own(spec, operation["requestBody"])
            operation["responses"] = {
                str(status): _own(spec, answer)
                for status, answer in (operation.get("responses") or {}).items()
            }
    for key in ("parameters", "requestBodies", "responses"):
        shared_parts.pop(key, None)
    yield from ()


def _own(spec: Schema, node: Any) -> Any:
    return copy.deepcopy(resolved(spec, node))
