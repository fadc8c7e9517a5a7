"""Descriptions for tests: the token endpoint and more."""

import shutil
from pathlib import Path
from typing import Any

from pipeline.spec import load
from tests.pipeline.serving import token_endpoint_alone

EVERYTHING = Path(__file__).parent / "cases" / "everything.yaml"
ROOT = Path(__file__).parents[2]


def with_everything() -> str:
    """Return a description with a parameter, body and answer of every kind."""
    paths, _, schemas = EVERYTHING.read_text(encoding="utf-8").partition(
        "components:\n  schemas:\n"
    )
    return with_more(paths, schemas)


def with_more(paths: str = "", schemas: str = "") -> str:
    """Return the description of the token endpoint with more *paths* and *schemas*."""
    text = token_endpoint_alone().replace("paths:\n", f"paths:\n{paths}")
    return text.replace("components:\n  schemas:\n", f"components:\n  schemas:\n{schemas}")


def of(
    paths: dict[str, Any], schemas: dict[str, Any] | None = None, *, version: str = "3.0.0"
) -> Any:
    """Return a description of *paths* and *schemas*."""
    return {
        "openapi": version,
        "info": {"title": "A", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas or {}},
    }


def get(schema: Any = None, *, answers: Any = None, **parameter: Any) -> dict[str, Any]:
    """Return a path with a GET, of the parameter with *schema*, or with *answers*."""
    parameters = [{"name": "x", "in": "query", "schema": schema, **parameter}] if schema else []
    return {
        "get": {
            "operationId": "getIt",
            "parameters": parameters,
            "responses": answers or {"204": {"description": "Nothing."}},
        }
    }


def repository(root: Path, text: str) -> Path:
    """Make *root* a copy of what the pipeline reads, with the description *text*."""
    root.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "wrapper", root / "wrapper", ignore=ignore)
    for name in ("openapi.overlay.yaml", "generator-config.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    (root / "openapi.yaml").write_text(text, encoding="utf-8")
    return root


def parsed(text: str) -> Any:
    """Return the description *text* as data."""
    return load(text, "it", remedy="none")
