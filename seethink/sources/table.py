"""A parquet file that grows row by row, with the description by which `datasets` decodes its pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROWS_PER_GROUP = 256
"""So many rows, with their pictures, are in memory at a time."""
TEXT: dict[str, str] = {"dtype": "string", "_type": "Value"}
WHOLE: dict[str, str] = {"dtype": "int64", "_type": "Value"}
TRUTH: dict[str, str] = {"dtype": "bool", "_type": "Value"}
IMAGES: list[dict[str, str]] = [{"_type": "Image"}]


class Table:
    """features: what each column holds, in words that old versions of `datasets` know; lists of one feature
    are lists, other dicts are structs."""

    def __init__(self, file: Path, features: dict[str, Any]) -> None:
        import pyarrow
        import pyarrow.parquet

        described = json.dumps({"info": {"features": features}})
        columns = {name: _typed(feature) for name, feature in features.items()}
        self.schema = pyarrow.schema(columns, {"huggingface": described})
        self.out = pyarrow.parquet.ParquetWriter(file, self.schema, compression="zstd")
        self.waiting: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        self.waiting.append(row)
        if len(self.waiting) == ROWS_PER_GROUP:
            self._put()

    def _put(self) -> None:
        import pyarrow

        self.out.write_table(pyarrow.Table.from_pylist(self.waiting, self.schema))
        self.waiting = []

    def close(self) -> None:
        if self.waiting:
            self._put()
        self.out.close()

    def __enter__(self) -> Table:
        return self

    def __exit__(self, kind: Any, *error: object) -> None:
        if kind is None:
            self.close()
        else:
            self.out.close()


def _typed(feature: Any) -> Any:
    import pyarrow

    if isinstance(feature, list):
        return pyarrow.list_(_typed(feature[0]))
    if feature.get("_type") == "Image":
        return pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    if feature.get("_type") == "Value":
        return {"string": pyarrow.string, "int64": pyarrow.int64, "bool": pyarrow.bool_}[feature["dtype"]]()
    return pyarrow.struct({name: _typed(part) for name, part in feature.items()})
