"""Names: of endpoints, parameters and properties."""

import re
from collections import Counter
from collections.abc import Iterator

from openapi_python_client.strings import PythonIdentifier, snake_case

from pipeline.alias import alias, wire_name
from pipeline.rules.description import Note, Schema, bodies, operations, resolved, schemas, told

__all__ = ["controller_prefixes", "parameter_names", "property_names"]

_CONTROLLER = re.compile(r"^\w*?Controller_(?=\w)")

# Local names of the generated model's methods, and members of each model.
_IN_MODELS = {
    *("additional_keys", "additional_properties", "cast", "cls", "d", "field_dict"),
    *("from_dict", "prop", "prop_dict", "prop_name", "src_dict", "to_dict", "to_multipart"),
}
# Local names of the generated endpoint's functions, and what they import.
_IN_ENDPOINTS = {
    *("body", "cast", "cookies", "errors", "headers", "httpx", "kwargs", "params", "quote"),
    "response",
}


def controller_prefixes(spec: Schema) -> Iterator[Note]:
    """
    An operation is called without the name of its controller.

    NestJS makes operationIds of class and method (`EstateController_list`), and the generator
    makes the endpoint's module of that.

    Source: NestJS, `SwaggerDocumentOptions.operationIdFactory`.
    """
    found = [(told(method, path), operation) for method, path, operation in operations(spec)]
    ids = [str(operation.get("operationId", "")) for _, operation in found]
    taken = Counter(snake_case(_CONTROLLER.sub("", name)) for name in ids if name)
    for place, operation in found:
        old = str(operation.get("operationId", ""))
        new = _CONTROLLER.sub("", old)
        if new == old:
            continue
        if taken[snake_case(new)] > 1:
            what = f"keeps the name {old}, because {new} would meet another operation's"
            yield Note(place, what, is_warning=True)
        else:
            operation["operationId"] = new
            yield Note(place, f"{old} is called {new}")


def property_names(spec: Schema) -> Iterator[Note]:
    """
    A property that generated models have another use for is called by a longer name.

    A field called `d`, `to_dict` or `cast` shadows a variable, method or function of the model's
    own code; fields that differ in signs alone have no name of their own.

    Source: openapi-python-client 0.29.1, `templates/model.py.jinja`.
    """
    forms = {
        id(resolved(spec, media.get("schema")))
        for _, _, _, content in bodies(spec)
        for name, media in content.items()
        if name.startswith("multipart/form-data")
    }
    for place, schema, _ in schemas(spec):
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            continue
        # What a form's model returns is of a module's, whose name a field would take.
        taken = _IN_MODELS | ({"types"} if id(schema) in forms else set())
        for name, value in properties.items():
            # The variables of a loop over a list.
            if "items" in resolved(spec, value):
                taken |= {f"{_python(name)}_item", f"{_python(name)}_item_data"}
        seen, renamed = set[str](), dict[str, str]()
        for number, name in enumerate(properties):
            if _python(name) in taken:
                renamed[name] = f"{_python(name)}_value"
            elif _python(name) in seen and _raw(name) in seen:
                renamed[name] = f"{_python(name)}_{number}"
            seen |= {_python(name), _raw(name)}
        if renamed:
            known = {name: alias(python, wire_name(name)) for name, python in renamed.items()}
            schema["properties"] = {known.get(key, key): val for key, val in properties.items()}
        else:
            known = {}
        # What a part of `allOf` requires may stand in another.
        fixed = {key: alias(f"{key}_value", key) for key in _IN_MODELS}
        if isinstance(required := schema.get("required"), list):
            schema["required"] = [known.get(key, fixed.get(key, key)) for key in required]
        for name, python in renamed.items():
            yield Note(f"{place}.{name}", f"is {python} in Python")


def parameter_names(spec: Schema) -> Iterator[Note]:
    """
    A parameter that generated endpoints have another use for is called by a longer name.

    A parameter called `params`, `headers` or `body` is overwritten by a variable of the function,
    or clashes with its body.

    Source: openapi-python-client 0.29.1, `templates/endpoint_macros.py.jinja`.
    """
    for method, path, operation in list(operations(spec)):
        for parameter in operation.get("parameters") or ():
            name, where = str(parameter.get("name")), parameter.get("in")
            python = f"{_python(name)}_{where}"
            if _python(name) not in _IN_ENDPOINTS or where == "path":
                continue
            parameter["name"] = alias(python, wire_name(name))
            yield Note(f"{told(method, path)}, {where} {name}", f"is {python} in Python")


def _python(name: str) -> str:
    return str(PythonIdentifier(name, prefix="field_"))


def _raw(name: str) -> str:
    return str(PythonIdentifier(name, prefix="field_", skip_snake_case=True))
