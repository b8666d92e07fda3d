"""A parquet file written row by row, with the feature schema by which `datasets` decodes its pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROWS_PER_GROUP = 256
"""Rows per row group; at most this many, with their pictures, are in memory."""
TEXT: dict[str, str] = {"dtype": "string", "_type": "Value"}
INTEGER: dict[str, str] = {"dtype": "int64", "_type": "Value"}
BOOLEAN: dict[str, str] = {"dtype": "bool", "_type": "Value"}
IMAGES: list[dict[str, str]] = [{"_type": "Image"}]


class ParquetWriter:
    """A parquet file in write mode.

    features: the type of each column, in the notation of all versions of `datasets`; a list of one feature
    is a list column, a dict without "_type" a struct.
    """

    def __init__(self, file: Path, features: dict[str, Any]) -> None:
        import pyarrow
        import pyarrow.parquet

        metadata = json.dumps({"info": {"features": features}})
        columns = {name: _arrow_type(feature) for name, feature in features.items()}
        self.schema = pyarrow.schema(columns, {"huggingface": metadata})
        self.out = pyarrow.parquet.ParquetWriter(file, self.schema, compression="zstd")
        self.buffer: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        """Append a row; a full row group is written."""
        self.buffer.append(row)
        if len(self.buffer) == ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        self.out.write_table(pyarrow.Table.from_pylist(self.buffer, self.schema))
        self.buffer = []

    def close(self) -> None:
        """Write the remaining rows and close the file."""
        if self.buffer:
            self._flush()
        self.out.close()

    def __enter__(self) -> ParquetWriter:
        return self

    def __exit__(self, kind: Any, *error: object) -> None:
        if kind is None:
            self.close()
        else:
            self.out.close()


def _arrow_type(feature: Any) -> Any:
    import pyarrow

    if isinstance(feature, list):
        return pyarrow.list_(_arrow_type(feature[0]))
    if feature.get("_type") == "Image":
        return pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    if feature.get("_type") == "Value":
        return {"string": pyarrow.string, "int64": pyarrow.int64, "bool": pyarrow.bool_}[feature["dtype"]]()
    return pyarrow.struct({name: _arrow_type(part) for name, part in feature.items()})
