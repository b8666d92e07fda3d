"""Dialects: the column layouts in which this field writes its rows, recognised by their columns.

Sources: open-r1-multimodal and R1-V (problem, solution), LLaVA and VLM-R1 (conversations), LLaMA-Factory,
ms-swift and OpenAI (messages), ms-swift (query, response), Alpaca (instruction, output), TRL (prompt), EasyR1
(problem, answer), verl (prompt, reward_model), VLMEvalKit (index, A, B, ...), and the published benchmarks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from seethink.formats import THINK_ANSWER
from seethink.sources import benchmark_rows, pair_rows
from seethink.sources.cells import as_mapping
from seethink.sources.image_folder import MEDIA
from seethink.sources.parsed_row import Conversation, ParsedRow, messages_in
from seethink.sources.row_reader import Row
from seethink.types import InputError


@dataclass(frozen=True)
class Dialect:
    """One layout of rows. own: its columns, beyond those that every dialect may have. parse: reads a row.
    kept: columns that are copied to meta; is_open: all further columns are. id: the column of a row's id.
    lettered: the answer of a row with choices is the letter of a choice, even if choices are letters.
    needs: columns one of which a row must have to be recognised; any of its own if empty. unused: columns
    that no method here uses. answered_by: how a row gets an answer, for messages."""

    name: str
    own: tuple[str, ...]
    parse: Callable[[Row], ParsedRow]
    kept: tuple[str, ...] = ()
    id: str = "id"
    is_open: bool = False
    lettered: bool = False
    needs: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    answered_by: str = "give the correct text or number"

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that a row of this dialect may have, besides those of an open one."""
        return tuple(dict.fromkeys((self.id, *MEDIA, "meta", *self.own, *self.kept, "choices", "steps")))


UNUSABLE = {
    **dict.fromkeys(("audio", "audios"), "sound, which no model here can hear"),
    "text": "raw text, which no method here learns",
    "tools": "for calls of tools, which cannot be trained here",
    **dict.fromkeys(("label", "kto_tag"), "a verdict on a single response (KTO), which no method here uses"),
}
"""Columns of known layouts that say what no method here can use."""


def dialect_of(rows: Iterable[Row]) -> Dialect:
    """The dialect with the most of these rows' columns. Raises InputError if no row has a column of any."""
    rows = [row for row in rows if not row.broken]
    shapes = Counter(frozenset(row.values) for row in rows)
    found = {column for shape in shapes for column in shape}
    telling = found - {"objects", "system", "history"}  # these stand beside a question
    recognised = [one for one in DIALECTS if telling & {*one.own} and (found & {*one.needs} or not one.needs)]
    if found - {*UNUSABLE} and not recognised:
        columns = ", ".join(dict.fromkeys(column for row in rows for column in row.given or row.values))
        raise InputError(
            f"{rows[0].file} has the columns {columns}, which are no known layout; rename them to one that "
            f"is understood: {_LAYOUTS}, or another one in docs/data.md"
        )
    matches = {
        dialect.name: sum(
            n * len(shape & {dialect.id, *dialect.own, *dialect.kept})
            for shape, n in shapes.items()
            if not dialect.needs or shape & {*dialect.needs}
        )
        for dialect in DIALECTS
    }
    return max(DIALECTS, key=lambda dialect: matches[dialect.name])


_LAYOUTS = (
    "question and answer, problem and solution, messages, conversations, prompt and solution, query and "
    "response, instruction and output, prompt with chosen and rejected"
)
"""The layouts that most files have, for messages."""


# One question and one answer ------------------------------------------------------------------------------


def _columns(question: str, answer: str, steps: str = "steps") -> Callable[[Row], ParsedRow]:
    def parse(row: Row) -> ParsedRow:
        get = row.values.get
        return ParsedRow(get(question), get(answer), get(steps), get("choices"))

    return parse


def _turned(question: Callable[[Row], object], answer: str) -> Callable[[Row], ParsedRow]:
    """A question and an answer in columns, with the turns before them in `system` and `history`."""

    def parse(row: Row) -> ParsedRow:
        conversation = Conversation(row)
        conversation.add_history()
        conversation.add("user", question(row), "the question")
        return conversation.parsed(row.values.get(answer))

    return parse


# Conversations --------------------------------------------------------------------------------------------


def _conversations(row: Row) -> ParsedRow:
    conversation = Conversation(row)
    conversation.add_messages("conversation" if row.values.get("conversations") is None else "conversations")
    conversation.add_system()
    return conversation.parsed()


def _messages(row: Row) -> ParsedRow:
    """The answer is the assistant's turn, or the column `solution` as in ms-swift's RLHF data; in the second
    case, the thought is taken from the turn, if there is one."""
    conversation = Conversation(row)
    conversation.add_messages("messages")
    conversation.add_system()
    solution, said = row.values.get("solution"), conversation.said
    if solution is None:
        return conversation.parsed()
    thought = THINK_ANSWER.parse(said).thought if isinstance(said, str) else None
    return conversation.parsed(solution, steps=row.values.get("steps") or thought)


def _asked(row: Row) -> Conversation:
    """The turns of `prompt`, which is a text or messages, as tables write them too."""
    conversation, prompt = Conversation(row), row.values.get("prompt")
    messages = messages_in(prompt)
    if messages is None:
        conversation.add("user", prompt, "prompt")
    else:
        conversation.add_messages("prompt", messages)
        conversation.add_system()
    return conversation


def _prompt(row: Row) -> ParsedRow:
    """The answer of a `prompt` is a column, or the message of a `completion`."""
    conversation, get = _asked(row), row.values.get
    given = (get(column) for column in ("solution", "answer", "completion"))
    answer = next((value for value in given if value is not None), None)
    if answer is not None and answer is get("completion") and isinstance(answer, list):
        conversation.add_messages("completion")
        answer = None
    elif conversation.said is not None:
        row.refuse("the prompt ends with the assistant's turn; end it with the question")
    return conversation.parsed(answer)


def _verl(row: Row) -> ParsedRow:
    """The answer is `ground_truth` in `reward_model`: a value, a list of one, or {"target": ...}."""
    conversation = _asked(row)
    if conversation.said is not None:
        row.refuse("the prompt ends with the assistant's turn; end it with the question")
    reward = as_mapping(row.values.get("reward_model"), python=True)
    if reward is None:
        row.refuse(f"reward_model must be {{ground_truth: ...}}, not {row.values.get('reward_model')!r:.40}")
    truth = reward.get("ground_truth")
    if isinstance(held := as_mapping(truth), Mapping) and "target" in held:
        truth = held["target"]
    return conversation.parsed(truth)


# All of them ----------------------------------------------------------------------------------------------

_ORIGINAL = ("original_question", "original_answer", "accu_reward_method")
_CV_BENCH = ("type", "source", "source_dataset", "source_filename", "target_class", "target_size", "bbox")

PLAIN = Dialect(
    "plain",
    ("question", "answer", "history", "system"),
    _turned(lambda row: row.values.get("question"), "answer"),
)
HF_COLUMNS = Dialect(
    "hf columns",
    ("problem", "solution", "thinking"),
    _columns("problem", "solution", "thinking"),
    kept=(*_ORIGINAL, "normal_caption", "normalized_solution"),
)
EASYR1 = Dialect("easyr1", ("problem", "answer"), _columns("problem", "answer"))
CONVERSATIONS = Dialect(
    "conversations",
    ("conversations", "conversation", "system"),
    _conversations,
    kept=("accu_reward_method",),
    answered_by="add the assistant's turn (gpt) to conversations",
)
MESSAGES = Dialect(
    "messages",
    ("messages", "solution", "system", "objects"),
    _messages,
    kept=("accu_reward_method",),
    unused=("parallel_tool_calls",),
    answered_by="add the assistant's turn to messages, or a column solution",
)
QUERY = Dialect(
    "query",
    ("query", "response", "history", "system", "objects"),
    _turned(lambda row: row.values.get("query"), "response"),
    answered_by="give the response",
)
ALPACA = Dialect(
    "alpaca",
    ("instruction", "input", "output", "history", "system"),
    _turned(pair_rows.instruction, "output"),
    answered_by="give the output",
)
TRL = Dialect("trl", ("prompt", "solution", "answer", "completion", "system"), _prompt)
VERL = Dialect(
    "verl",
    ("prompt", "reward_model"),
    _verl,
    kept=("data_source", "ability", "extra_info"),
    needs=("reward_model",),
    answered_by="give the ground_truth in reward_model",
)
TRUTH = Dialect("eval", ("image_path", "question", "ground_truth"), benchmark_rows.truth)
CV_BENCH = Dialect(
    "cv-bench",
    ("prompt", "question", "answer", "task"),
    benchmark_rows.cv_bench,
    kept=("task", *_CV_BENCH, "filename"),
    id="idx",
    lettered=True,
    needs=("prompt",),
)
VLMEVALKIT = Dialect(
    "vlmevalkit",
    ("question", "answer", "hint", "image_path", *benchmark_rows.LETTERS),
    benchmark_rows.vlmevalkit,
    kept=("level", "category", "l2-category", "split"),
    id="index",
    is_open=True,
    lettered=True,
    needs=("index", "A"),
)
VRC = Dialect("vrc", ("question", "final_answer"), benchmark_rows.vrc, id="idx")
LLAVA_QUESTIONS = Dialect(
    "llava questions",
    ("text",),
    benchmark_rows.llava_questions,
    kept=("category",),
    id="question_id",
    needs=("question_id",),
    answered_by="LLaVA's question.jsonl is answered by `seethink eval`, and training cannot use it",
)
PREFERENCES = Dialect(
    "preferences",
    (*pair_rows.PROMPT, *pair_rows.CHOSEN, *pair_rows.REJECTED),
    pair_rows.pair,
    kept=("answer",),
    needs=(*pair_rows.CHOSEN, *pair_rows.REJECTED),
    unused=("score_chosen", "score_rejected", "prompt_id"),
)
DIALECTS = (
    *(PLAIN, HF_COLUMNS, EASYR1, CONVERSATIONS, MESSAGES, QUERY, ALPACA, TRL),
    *(VERL, TRUTH, CV_BENCH, VLMEVALKIT, VRC, LLAVA_QUESTIONS, PREFERENCES),
)
