"""What chat templates write for media, and what they do with conversations that they do not know."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from PIL import Image as Pillow

from seethink.engines.local import LocalEngine
from seethink.formats import THINK_ANSWER, by_name
from seethink.media import Image
from seethink.models import chat_template
from seethink.types import GREEDY, Example, InputError, Turn
from tests import vlms

PAGE = Example("page", "How many?", (Image.drawn("red", lambda: Pillow.new("RGB", (61, 43), "red")),))
BASE = THINK_ANSWER.with_prompt_mode("base")
build = cache(vlms.build)

TURNS = "{% for m in messages %}{{ m.role }}:{% for p in m.content %}"
ENDS = "{% endfor %}<end>{% endfor %}"
IN_PLACE = TURNS + "{% if p.type == 'text' %}{{ p.text }}{% else %}<pic>{% endif %}" + ENDS
IN_FRONT = (
    "{% for m in messages %}{{ m.role }}: {% for p in m.content if p.type != 'text' %}<pic>\n{% endfor %}"
    "{% for p in m.content if p.type == 'text' %}{{ p.text | trim }}{% endfor %}<end>{% endfor %}"
)
SPACED = "{% for m in messages %}{{ m.role }}:{{ '' if m.content[0].type == 'image' else ' ' }}" + (
    IN_PLACE.removeprefix("{% for m in messages %}{{ m.role }}:")
)
DEAF = IN_PLACE.replace("{{ m.role }}:", "{% if m.role == 'system' %}{% continue %}{% endif %}{{ m.role }}:")
STRICT = "{% if messages[0].role == 'system' %}{{ refuse('no system prompt') }}{% endif %}" + IN_PLACE


def processor(template: str) -> Any:
    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    written = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"]).from_string(template)
    return SimpleNamespace(
        apply_chat_template=lambda messages, **_: written.render(messages=messages, refuse=refuse)
    )


@pytest.mark.parametrize(
    ("template", "mark"), [(IN_PLACE, "<pic>"), (IN_FRONT, "<pic>\n"), (SPACED, "<pic>")]
)
def test_the_mark_of_a_picture_is_what_a_turn_has_more_with_it(template: str, mark: str) -> None:
    assert chat_template.placeholder(processor(template), "image") == mark


def test_a_plain_text_is_written_without_roles() -> None:
    (plain, _) = BASE.prompt(PAGE)
    written = chat_template.render(processor(IN_PLACE), [plain])
    assert written.startswith("<pic>A user asks an assistant")
    assert written.endswith("\nUser: How many?\nAssistant: Let me solve this step by step.\n")
    assert "<end>" not in written and "plain" not in written


@pytest.mark.parametrize(
    ("template", "message"), [(DEAF, "drops the system prompt"), (STRICT, "refuses .* no system prompt")]
)
def test_a_template_that_knows_no_system_prompt_is_told(template: str, message: str) -> None:
    messages = by_name("think_answer", "system").prompt(PAGE)
    with pytest.raises(InputError, match=message):
        chat_template.render(processor(template), messages)
    assert THINK_ANSWER.instruction in chat_template.render(processor(IN_PLACE), messages)


TALK = replace(
    PAGE,
    question="And here, <image>?",
    media=(*PAGE.media, Image.drawn("blue", lambda: Pillow.new("RGB", (43, 61), "blue"))),
    history=(Turn("user", "<image>How many dots?"), Turn("assistant", "Seven.")),
)


def test_a_template_that_drops_a_turn_is_told() -> None:
    last = IN_PLACE.replace("for m in messages", "for m in messages[-1:]")
    with pytest.raises(InputError, match="drops a turn of the conversation; leave the row out"):
        chat_template.render(processor(last), THINK_ANSWER.prompt(TALK))
    written = chat_template.render(processor(IN_PLACE), THINK_ANSWER.prompt(TALK))
    assert written.startswith("user:<pic>How many dots?<end>assistant:Seven.<end>user:And here, <pic>?")


@pytest.mark.parametrize("name", vlms.BUILDERS)
def test_every_family_sees_the_turns_before_the_question_with_their_pictures(name: str) -> None:
    encoder = build(name)[1]
    prompt, asked_alone = encoder.prompts([THINK_ANSWER.prompt(TALK), THINK_ANSWER.prompt(PAGE)])
    assert [medium.size for medium in prompt.loaded] == [(61, 43), (43, 61)]
    places = [prompt.text.find(words) for words in ("How many dots?", "Seven.", "And here,")]
    assert -1 not in places and places == sorted(places)
    assert len(prompt.ids) > len(asked_alone.ids)


@pytest.mark.parametrize("name", vlms.BUILDERS)
def test_every_family_continues_a_plain_text_about_a_picture(name: str) -> None:
    model, encoder = build(name)
    plain, turn = encoder.prompts([BASE.prompt(PAGE), THINK_ANSWER.prompt(PAGE)])
    assert plain.ids.count(encoder.image_token_id) == turn.ids.count(encoder.image_token_id) > 0
    assert encoder.eos_token_id in turn.ids and encoder.eos_token_id not in plain.ids
    assert encoder.decode(plain.ids).endswith("step by step.\n<think>") and plain.prefill == "<think>"
    ((said,),) = LocalEngine(model, encoder).complete([plain], replace(GREEDY, max_tokens=2))
    assert 1 <= said.n_tokens <= 2
