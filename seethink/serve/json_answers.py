"""Answers that must be JSON: no engine here constrains decoding, so they are validated, and sampled again."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from seethink.serve.errors import bad_request
from seethink.serve.requests import JsonSchemaFormat, TextFormat

MAX_SCHEMA_CHARACTERS = 65_536
MAX_REFERENCES = 2_000
"""References followed while one answer is judged: schemas may refer to themselves many times over."""
REFUSED = {"pattern", "patternProperties", "$dynamicRef", "$recursiveRef", "$id"}
"""Keywords of schemas that are refused: regular expressions of strangers may run for ever, and others read
documents elsewhere."""


class JsonCheck:
    """Judges answers. schema: None admits any object. Raises ApiError for a schema that is not usable."""

    def __init__(self, response_format: Any) -> None:
        self.schema: dict[str, Any] | None = None
        if isinstance(response_format, JsonSchemaFormat):
            self.schema = response_format.json_schema.schema_
            _refuse_unusable(self.schema)

    def fault(self, text: str) -> str | None:
        """Why an answer is not what was requested; None if it is."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            return f"it is not JSON: {error}"
        if self.schema is None:
            return None if isinstance(value, dict) else "it is not a JSON object"
        try:
            error = next(_errors(self.schema, value), None)
        except (_TooManyReferences, RecursionError, ArithmeticError) as stopped:
            return f"it cannot be judged by its schema: {str(stopped)[:100]}"
        return None if error is None else f"it breaks the schema: {error.message[:300]}"


def json_check(response_format: Any) -> JsonCheck | None:
    """The check of a request's `response_format`; None where any text will do."""
    if response_format is None or isinstance(response_format, TextFormat):
        return None
    return JsonCheck(response_format)


def _refuse_unusable(schema: dict[str, Any]) -> None:
    where = "response_format.json_schema.schema"
    if len(json.dumps(schema)) > MAX_SCHEMA_CHARACTERS:
        raise bad_request(f"the schema has more than {MAX_SCHEMA_CHARACTERS:,} characters", where)
    waiting: list[Any] = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if found := REFUSED & value.keys():
                raise bad_request(f"schemas with {min(found)} are not checked here", where)
            reference = value.get("$ref")
            if isinstance(reference, str) and not reference.startswith("#"):
                raise bad_request("schemas may refer to themselves alone ($ref: '#/...')", where)
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    try:
        Draft202012Validator.check_schema(schema)
        next(_errors(schema, {}), None)
    except (SchemaError, Unresolvable, _TooManyReferences, RecursionError, ValueError) as error:
        raise bad_request(f"the schema cannot be used: {str(error)[:300]}", where) from error


class _TooManyReferences(Exception):
    """A judgement followed more than `MAX_REFERENCES`."""


def _errors(schema: dict[str, Any], value: Any) -> Iterator[ValidationError]:
    """The faults of a value. Nothing is fetched: the registry is empty."""
    follow: Any = Draft202012Validator.VALIDATORS["$ref"]
    followed = itertools.count(1)

    def counted(validator: Any, reference: Any, instance: Any, at: Any) -> Iterator[ValidationError]:
        if next(followed) > MAX_REFERENCES:
            raise _TooManyReferences(f"more than {MAX_REFERENCES:,} references")
        yield from follow(validator, reference, instance, at)

    validator: Any = extend(Draft202012Validator, {"$ref": counted})
    return validator(schema, registry=Registry()).iter_errors(value)
