"""The format of texts that were asked for in unknown words: an answer in any form conforms."""

from __future__ import annotations

from collections.abc import Sequence

from seethink.formats.base_format import BaseFormat
from seethink.formats.lenient import read_any
from seethink.types import Messages, Response


class AnyForm(BaseFormat):
    """`read_any` as a format. Its prompt is the question alone."""

    def _instruct(self, messages: Messages) -> None:
        """No instruction."""

    def parse(self, text: str) -> Response:
        return read_any(text, sentences=True)

    def write(self, thought: str | Sequence[str], answer: str) -> str:
        """The answer after its phrase. Raises ValueError if `parse` could not read it."""
        steps = [thought] if isinstance(thought, str) else list(thought)
        text = "\n".join(filter(None, [*steps, f"<answer>{answer.strip()}</answer>"]))
        if self.parse(text).answer != answer.strip():
            raise ValueError(f"the answer {answer!r:.40} could not be read again")
        return text


ANY_FORM = AnyForm("any", "", thinks=False)
