"""Schemas that are made of several."""

import copy
from collections.abc import Iterator

from pipeline.rules.description import Note, Schema, kinds, merged, schemas

__all__ = [
    "annotations",
    "constant_variants",
    "merged_parts",
    "recursive_unions",
    "required_variants",
    "shared_properties",
]

_ANNOTATIONS = {"default", "deprecated", "description", "example", "examples", "externalDocs"}
_ANNOTATIONS |= {"nullable", "readOnly", "title", "writeOnly"}


def annotations(spec: Schema) -> Iterator[Note]:
    """
    A part of `allOf` that only explains is put beside it.

    The generator takes parts of `allOf` for objects.

    Source: openapi-python-client 0.29.1, `_process_properties`, "Cannot take allOf a non-object".
    """
    for place, schema, _ in schemas(spec):
        parts = schema.get("allOf")
        if not isinstance(parts, list):
            continue
        explaining = [part for part in parts if part.keys() <= _ANNOTATIONS]
        rest = [part for part in parts if part.keys() - _ANNOTATIONS]
        # `{type: X}` beside a reference says what that says.
        if len(rest) > 1 and any("$ref" in part for part in rest):
            bare = [part for part in rest if part.keys() <= _ANNOTATIONS | {"type"}]
            explaining += bare
            rest = [part for part in rest if part not in bare]
        if not explaining or not rest:
            continue
        schema["allOf"] = rest
        for part in explaining:
            part.pop("type", None)
            for key, value in part.items():
                schema.setdefault(key, value)
        yield Note(place, "explains beside allOf")


def shared_properties(spec: Schema) -> Iterator[Note]:
    """
    Properties beside the variants of an object are properties of each variant.

    The generator makes a union of the variants alone.

    Source: openapi-python-client 0.29.1, `property_from_data`.
    """
    for place, schema, _ in schemas(spec):
        for key in ("anyOf", "oneOf"):
            variants = schema.get(key) or []
            if "properties" not in schema or not any("object" in kinds(spec, v) for v in variants):
                continue
            base = {k: schema.pop(k) for k in ("properties", "required", "type") if k in schema}
            schema[key] = [
                copy.deepcopy(merged(spec, {"allOf": [base, one]}))
                if "object" in kinds(spec, one)
                else one
                for one in variants
            ]
            yield Note(place, f"has its properties in each of {len(variants)} variants")


def merged_parts(spec: Schema) -> Iterator[Note]:
    """
    An `allOf` that the generator cannot put together is put together.

    It loses properties beside a single reference and parts within parts, and refuses a property
    that two parts have, or a part that is no object.

    Source: openapi-python-client 0.29.1, `property_from_data` and `merge_properties`.
    """
    for place, schema, _ in schemas(spec):
        parts = schema.get("allOf")
        if not isinstance(parts, list) or not parts:
            continue
        found = [merged(spec, part) for part in parts]
        names = [name for part in found for name in part.get("properties") or ()]
        own = "properties" in schema
        if not (
            (own and (len(parts) == 1 or set(names) & schema["properties"].keys()))
            or len(names) > len(set(names))
            or (len(parts) > 1 and any("properties" not in part for part in found))
            or any(_is_composed(part) for part in parts)
            or any(_is_composed(part) - {"allOf"} for part in found)
            or (len(parts) == 1 and "$ref" not in parts[0])
        ):
            continue
        whole = copy.deepcopy(merged(spec, schema))
        schema.clear()
        schema.update(whole)
        yield Note(place, f"is put together of {len(parts)} parts")


def required_variants(spec: Schema) -> Iterator[Note]:
    """
    Variants that say nothing but what is required are left out.

    The generator makes of the whole a union of anything, and loses its properties.

    Source: openapi-python-client 0.29.1, `property_from_data`.
    """
    for place, schema, _ in schemas(spec):
        for key in ("anyOf", "oneOf"):
            variants = schema.get(key)
            if (
                variants
                and "properties" in schema
                and all(
                    one.keys() <= {"required", "not", "title", "description"} for one in variants
                )
            ):
                del schema[key]
                yield Note(place, f"{key} is left out")


def constant_variants(spec: Schema) -> Iterator[Note]:
    """
    Constants of which one is taken are the values of an enum.

    The parser of a union raises at the first constant that it is not.

    Source: openapi-python-client 0.29.1, `union_property.py.jinja` and `const_property.py.jinja`.
    """
    for place, schema, _ in schemas(spec):
        for key in ("anyOf", "oneOf"):
            variants = schema.get(key) or []
            constants = [one["const"] for one in variants if "const" in one]
            if len(variants) < 2 or not constants:
                continue
            if len(constants) == len(variants) and {type(one) for one in constants} <= {str}:
                del schema[key]
                schema |= {"type": "string", "enum": list(dict.fromkeys(constants))}
                yield Note(place, f"is one of {', '.join(constants)}")
                continue
            for one in variants:
                if isinstance(one.get("const"), str | int) and not isinstance(one["const"], bool):
                    one["enum"] = [one.pop("const")]
                elif "const" in one:
                    del one["const"]
            yield Note(place, "has enums for constants")


def recursive_unions(spec: Schema) -> Iterator[Note]:
    """
    A union or list that holds itself, with no object between, holds anything there.

    The generator makes a type of it before it knows the type.

    Source: openapi-python-client 0.29.1, `_property_from_ref`.
    """
    components: Schema = (spec.get("components") or {}).get("schemas") or {}
    for name, schema in components.items():
        for one in _back(components, schema, (name,)):
            ref = one.pop("$ref")
            one.clear()
            yield Note(f"schema {name}", f"holds anything in place of {ref.rpartition('/')[2]}")


def _back(components: Schema, schema: Schema, way: tuple[str, ...]) -> Iterator[Schema]:
    """Yield the references in *schema* that lead back to where *way* began."""
    name = str(schema.get("$ref")).rpartition("/")[2]
    if "$ref" in schema:
        if name == way[0]:
            yield schema
        elif name in components and name not in way:
            yield from _back(components, components[name], (*way, name))
        return
    inner = [*(schema.get("anyOf") or ()), *(schema.get("oneOf") or ())]
    for one in [*inner, schema.get("items")]:
        if isinstance(one, dict) and not _is_object(one):
            yield from _back(components, one, way)


def _is_object(schema: Schema) -> bool:
    return bool({"properties", "additionalProperties", "allOf"} & schema.keys())


def _is_composed(schema: Schema) -> set[str]:
    return {"allOf", "anyOf", "oneOf"} & schema.keys()
