"""Where the media of written rows are put: each once, by its content."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seethink.media import DrawnVideo, Image, Video, film
from seethink.types import InputError, Media


@dataclass(frozen=True)
class Shelf:
    """Where a folder's media are put, or, without copying, left where they are."""

    folder: Path
    copy: bool

    def path(self, medium: Media) -> str:
        """The path that a row names: relative to the folder of a copy, absolute of the original."""
        if not self.copy:
            return str(_file_of(medium))
        if isinstance(medium, Image):
            data, form = medium.encoded()
            name = f"images/{hashlib.sha256(data).hexdigest()[:16]}.{form.lower().replace('jpeg', 'jpg')}"
            return self._put(name, lambda part: part.write_bytes(data))
        if isinstance(medium, DrawnVideo):
            name = f"clips/{hashlib.sha256(medium.key.encode()).hexdigest()[:16]}.mp4"
            return self._put(name, lambda part: film(medium.load(), part))
        file = _file_of(medium)
        name = f"clips/{hashlib.sha256(medium.key.encode()).hexdigest()[:16]}{file.suffix}"
        return self._put(name, lambda part: shutil.copyfile(file, part))

    def held(self, medium: Media) -> dict[str, Any]:
        """The `{bytes, path}` that datasets store; a copy stands in the row itself."""
        if not self.copy:
            return {"bytes": None, "path": str(_file_of(medium))}
        assert isinstance(medium, Image)
        return {"bytes": medium.encoded()[0], "path": None}

    def _put(self, name: str, write: Callable[[Path], Any]) -> str:
        path = self.folder / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            write(path)
        return name


def _file_of(medium: Media) -> Path:
    file = Path(medium.path if isinstance(medium, Video) else getattr(medium, "where", ""))
    if not file.is_file():
        raise InputError(f"{file} is no file that a row could refer to; convert with --copy instead")
    return file.resolve()
