"""Components, and references to them."""

import copy
from collections.abc import Iterator

from openapi_python_client.strings import ClassName

from pipeline.rules.description import Note, Schema, merged, resolved, schemas

__all__ = [
    "component_aliases",
    "distinct_models",
    "far_references",
    "union_members",
    "unused_models",
]

_COMPONENT = "#/components/schemas/"


def component_aliases(spec: Schema) -> Iterator[Note]:
    """
    A component that is nothing but another is a copy of it.

    The generator looks at the other twice, and then at its inner objects as two of one name.

    Source: openapi-python-client issue 1375.
    """
    for name, schema in ((spec.get("components") or {}).get("schemas") or {}).items():
        parts = [*(schema.get("allOf") or ()), *(schema.get("anyOf") or ())]
        parts += schema.get("oneOf") or ()
        if len(parts) == 1 and "$ref" in parts[0] and "properties" in merged(spec, parts[0]):
            whole = copy.deepcopy(merged(spec, parts[0]))
            whole.pop("title", None)
            for key in ("allOf", "anyOf", "oneOf"):
                schema.pop(key, None)
            schema |= {**whole, **schema}
            yield Note(f"schema {name}", f"is a copy of {parts[0]['$ref'].rpartition('/')[2]}")


def distinct_models(spec: Schema) -> Iterator[Note]:
    """
    Components that differ in signs or case are models of different names.

    The generator refuses the later one, and all that uses it.

    Source: openapi-python-client 0.29.1, `ClassName`.
    """
    components: Schema = (spec.get("components") or {}).get("schemas") or {}
    taken, renamed = set[str](), dict[str, str]()
    for name in components:
        new, number = name, 1
        while ClassName(new, "") in taken:
            number += 1
            new = f"{name}_{number}"
        taken.add(ClassName(new, ""))
        if new != name:
            renamed[_COMPONENT + name] = _COMPONENT + new
            yield Note(f"schema {name}", f"is {ClassName(new, '')} in Python", is_warning=True)
    if renamed:
        names = {old.rpartition("/")[2]: new.rpartition("/")[2] for old, new in renamed.items()}
        spec["components"]["schemas"] = {names.get(k, k): v for k, v in components.items()}
        for _, schema, _ in schemas(spec):
            if schema.get("$ref") in renamed:
                schema["$ref"] = renamed[schema["$ref"]]


def union_members(spec: Schema) -> Iterator[Note]:
    """
    An object that is one of several in a component is a component of its own.

    The generator looks at it twice, and then at its inner objects as two of one name.

    Source: openapi-python-client issue 1375.
    """
    components: Schema = (spec.get("components") or {}).get("schemas") or {}
    taken = {ClassName(name, "") for name in components}
    for name, schema in list(components.items()):
        for key in ("anyOf", "oneOf"):
            for number, one in enumerate(schema.get(key) or ()):
                if "properties" not in one and "additionalProperties" not in one:
                    continue
                own = name + str(one.get("title") or f"_type_{number}")
                if ClassName(own, "") in taken:
                    continue
                taken.add(ClassName(own, ""))
                # The title would be the name of the class, whatever the component is called.
                components[own] = {k: v for k, v in one.items() if k != "title"}
                schema[key][number] = {"$ref": _COMPONENT + own}
                yield Note(f"schema {name}, {key} {number}", f"is {ClassName(own, '')}")


def unused_models(spec: Schema) -> Iterator[Note]:
    """
    A component that no operation and no webhook uses is left out.

    The pages of a documentation site hold what they use and no more; the client is the same
    whether it comes of pages or of a file.

    Source: Mintlify, pages exported as markdown.
    """
    components: Schema = (spec.get("components") or {}).get("schemas") or {}
    used, left = set[str](), [value for key, value in spec.items() if key != "components"]
    while left:
        node = left.pop()
        if isinstance(node, list):
            left += node
        elif isinstance(node, dict):
            left += node.values()
            ref = str(node.get("$ref"))
            name = ref.removeprefix(_COMPONENT).partition("/")[0]
            if ref.startswith(_COMPONENT) and name not in used:
                used.add(name)
                left.append(components.get(name))
    for name in [name for name in components if name not in used]:
        del components[name]
        yield Note(f"schema {name}", "is left out")


def far_references(spec: Schema) -> Iterator[Note]:
    """
    A reference into the midst of something is replaced by what it means.

    The generator follows references to components only.

    Source: openapi-python-client 0.29.1, `_property_from_ref`.
    """
    for place, schema, _ in schemas(spec):
        ref = schema.get("$ref")
        if (
            isinstance(ref, str)
            and ref.startswith("#/")
            and (not ref.startswith(_COMPONENT) or "/" in ref[len(_COMPONENT) :])
        ):
            target = copy.deepcopy(resolved(spec, schema))
            del schema["$ref"]
            schema.update(target)
            yield Note(place, f"is a copy of {ref}")
