"""The OpenAPI document, with errors as what they are."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from api.problem import MEDIA_TYPE, ProblemDocument

_PROBLEM = {"$ref": "#/components/schemas/ProblemDocument"}


def describe(app: FastAPI) -> None:
    """Replaces FastAPI's own validation error by the problem document that is really sent."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = made()
        schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
        for path in document["paths"].values():
            for operation in path.values():
                found = operation["responses"].get("422")
                if found is not None:
                    found["content"] = {MEDIA_TYPE: {"schema": _PROBLEM}}
        app.openapi_schema = document
        return document

    app.openapi = openapi
