"""Content-addressed storage of the media of written rows: each medium is copied once."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seethink.media import DrawnVideo, Image, Video, write_clip
from seethink.types import InputError, Media


@dataclass(frozen=True)
class MediaStore:
    """The media of rows written to `folder`: copied into it, or, if not `copy`, referenced where they are. A
    picture file that other decoders show differently, such as one on its side, is copied in any case."""

    folder: Path
    copy: bool

    def path(self, medium: Media) -> str:
        """The path for a row: relative to the folder for a copy, else the absolute path of the original.

        Raises InputError for a medium without a file that would have to be referenced.
        """
        if self._is_referenced(medium):
            return str(_file_of(medium))
        if isinstance(medium, Image):
            data, form = medium.encoded()
            name = f"images/{hashlib.sha256(data).hexdigest()[:16]}.{form.lower().replace('jpeg', 'jpg')}"
            return self._write_once(name, lambda part: part.write_bytes(data))
        if isinstance(medium, DrawnVideo):
            name = f"clips/{hashlib.sha256(medium.key.encode()).hexdigest()[:16]}.mp4"
            return self._write_once(name, lambda part: write_clip(medium.load(), part))
        file = _file_of(medium)
        name = f"clips/{hashlib.sha256(medium.key.encode()).hexdigest()[:16]}{file.suffix}"
        return self._write_once(name, lambda part: shutil.copyfile(file, part))

    def embedded(self, medium: Media) -> dict[str, Any]:
        """The `{bytes, path}` of `datasets`: the encoded bytes of a copy, else the path of the original."""
        if self._is_referenced(medium):
            return {"bytes": None, "path": str(_file_of(medium))}
        assert isinstance(medium, Image)
        return {"bytes": medium.encoded()[0], "path": None}

    def _is_referenced(self, medium: Media) -> bool:
        if isinstance(medium, Image) and isinstance(medium.source, Path) and not medium.as_stored():
            return False
        return not self.copy

    def _write_once(self, name: str, write: Callable[[Path], Any]) -> str:
        path = self.folder / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            write(path)
        return name


def _file_of(medium: Media) -> Path:
    file = Path(medium.path if isinstance(medium, Video) else getattr(medium, "where", ""))
    if not file.is_file():
        raise InputError(f"{file} is not a file that a row can reference; convert with --copy")
    return file.resolve()
