"""A growing answer as thought and content, for readers who cannot wait for its end."""

from __future__ import annotations

import re

from seethink.formats.base_format import STEP_SEPARATOR, BaseFormat
from seethink.formats.tags import TagFormat


def thought_and_content(form: BaseFormat, text: str, ended: bool = True) -> tuple[str, str]:
    """(thought, content) of a text, prefill included, of which there may be more unless `ended`.

    Of a format with tags: the thought is what stands inside the tags of its stages, the content what stands
    inside the tag of the answer or outside of all; a text that conforms gives `parse`'s thought and answer.
    Nothing is left out but tags and blanks. Of other formats, all of the text is content. The parts of a
    longer text begin with those of its beginning.
    """
    if not isinstance(form, TagFormat):
        return "", text
    names = "|".join(map(re.escape, (*form.stages, form.final)))
    tags = re.compile(f"<(/?)({names})>")
    if not ended:
        text = _without_begun_tag(text, [*form.stages, form.final])
    thoughts, contents, inside, begin = [], [], "", 0
    for tag in tags.finditer(text):
        closing, name = bool(tag[1]), tag[2]
        if closing != bool(inside) or (closing and name != inside):
            continue  # a tag within the text of another, or closing none: text
        (thoughts if inside in form.stages else contents).append(text[begin : tag.start()])
        inside, begin = "" if closing else name, tag.end()
    (thoughts if inside in form.stages else contents).append(text[begin:])
    return _joined(thoughts, STEP_SEPARATOR), _joined(contents, "\n")


def _joined(parts: list[str], separator: str) -> str:
    return separator.join(part.strip() for part in parts if part.strip())


def _without_begun_tag(text: str, names: list[str]) -> str:
    """The text without an end that more text may turn into a tag."""
    begin = text.rfind("<")
    if begin >= 0 and any(
        f"<{slash}{name}>".startswith(text[begin:]) for name in names for slash in ("", "/")
    ):
        return text[:begin]
    return text
