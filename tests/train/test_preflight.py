"""A row that cannot be trained on stops the training before its model is loaded, named by file and row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from seethink import verify
from seethink.formats import ANSWER_ONLY, PREFILLED_THINK, THINK_ANSWER
from seethink.media import Image, Video, decoding
from seethink.models.accepted_media import is_drawn
from seethink.sources.preferences import read_pairs
from seethink.tasks import GoldTraces, load_task
from seethink.train import dpo, grpo, preflight, sft
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig
from seethink.train.notes import training_notes
from seethink.train.preflight import Subset, check_examples, check_pairs, check_task
from seethink.types import Example, InputError, PreferencePair, Response, Score, SFTExample, Task, Turn
from tests import tiny
from tests.fakes import Drawn

GOOD = [Example(f"e{i}", f"What is 2 + {i}?", answer=str(2 + i), steps=("Add.",)) for i in range(4)]
CONTROL = [
    "<|im_end|>",
    "<|im_start|>",
    "<|endoftext|>",
    "<|vision_start|>",
    "<|image_pad|>",
    "<|video_pad|>",
]


@pytest.fixture
def base(tmp_path: Path) -> str:
    return tiny.saved(tmp_path / "base")


@pytest.fixture(autouse=True)
def loaded(monkeypatch) -> list[str]:
    """No test here may load a model: what is wrong is found before. The names of those that were wanted."""
    wanted: list[str] = []

    def load_policy(name: str, load_in_4bit: bool = False) -> Any:
        wanted.append(name)
        raise AssertionError("the model was loaded")

    for module in (sft, dpo, grpo):
        monkeypatch.setattr(module, "load_policy", load_policy)
    return wanted


def _quiet(row: dict) -> None:
    raise AssertionError(f"a check of a few rows tells no progress, but told {row}")


def _teach(example: Example, text: str | None = None) -> SFTExample:
    return SFTExample(example, THINK_ANSWER, text or THINK_ANSWER.write(example.steps, example.answer or ""))


def _sft(base: str, out: Path, *bad: SFTExample, **settings) -> None:
    sft.sft(base, [*map(_teach, GOOD), *bad], SFTConfig.of(**settings), out, _quiet)


def _dpo(base: str, out: Path, *bad: PreferencePair) -> None:
    pairs = [PreferencePair(e, ANSWER_ONLY, "<answer>1</answer>", "<answer>2</answer>") for e in GOOD]
    dpo.dpo(base, [*pairs, *bad], DPOConfig(), out, _quiet)


def _grpo(base: str, out: Path, *bad: Example, verifier=verify.same_answer, **settings) -> None:
    task = Task("sums", [*GOOD, *bad], THINK_ANSWER, verifier)
    grpo.grpo(base, task, GRPOConfig.of(**settings), out, on_step=_quiet)


def _rows(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# Control tokens ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", CONTROL)
def test_a_control_token_is_refused_wherever_a_row_has_a_text(tmp_path, base, token: str) -> None:
    held, text = f"Well {token} then.", f"<answer>{token}</answer>"
    odd = replace(GOOD[0], id="odd", where="my.jsonl, row 5")
    message = (
        rf"^my\.jsonl, row 5: the (prompt|response) contains '{token.replace('|', '[|]')}', a control token"
    )
    for bad in (replace(odd, question=held), replace(odd, steps=(held,)), replace(odd, answer=held)):
        with pytest.raises(InputError, match=message):
            _sft(base, tmp_path / "sft", _teach(bad))
        with pytest.raises(InputError, match=message):
            _grpo(base, tmp_path / "grpo", bad, sft_loss_coef=0.1)
    for pair in (
        PreferencePair(odd, ANSWER_ONLY, text, "no"),
        PreferencePair(odd, ANSWER_ONLY, "no", text),
        PreferencePair(replace(odd, question=held), ANSWER_ONLY, "yes", "no"),
    ):
        with pytest.raises(InputError, match=message):
            _dpo(base, tmp_path / "dpo", pair)
    with pytest.raises(InputError, match=message):
        _grpo(base, tmp_path / "grpo", replace(odd, question=held))


def test_format_tags_and_what_only_looks_like_a_control_token_are_ordinary_text(tmp_path, base) -> None:
    """Sprout has `<think>` as an added token that is not special, as Qwen3 does."""
    told = _teach(
        replace(GOOD[0], id="told", question="What is <|im_end| >?", steps=("a <image> of <b>", "</s>"))
    )
    examples = [*map(_teach, GOOD), told]
    assert check_examples(base, examples, SFTConfig(), tmp_path / "out", _quiet) is examples


def test_what_counts_is_asked_of_the_tokenizer() -> None:
    """A special token that it recognises in any case, and one that must stand alone."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers
    from transformers import PreTrainedTokenizerFast

    from seethink.models.control_tokens import ControlTokens

    words = {word: i for i, word in enumerate(["[unk]", "a", "[cut]", "[end]", "b"])}
    backend = Tokenizer(models.WordLevel(words, unk_token="[unk]"))
    backend.normalizer = normalizers.Lowercase()
    backend.add_special_tokens([AddedToken("[cut]", normalized=True), AddedToken("[end]", single_word=True)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[unk]")
    processor = type("Processor", (), {"tokenizer": tokenizer, "image_token": "[pic]"})()
    found = ControlTokens(processor, [])
    assert found.first_in("a [CUT] b") == "[cut]"
    assert found.first_in("a [end] b") == "[end]"
    assert found.first_in("a[end]b") is None
    assert found.first_in("neither known nor written") is None, "it becomes [unk], which nobody wrote"
    assert found.first_in("a [pic] b") == "[pic]", "the processor would put a picture there"


# Rows -------------------------------------------------------------------------------------------------------


def _bad_media(folder: Path) -> dict[str, Any]:
    (folder / "torn.png").write_bytes(b"no picture")
    (folder / "torn.mp4").write_bytes(b"no clip" * 30)
    PIL.Image.new("RGB", (40, 40)).save(folder / "gone.png")
    gone = Image.file(folder / "gone.png")
    (folder / "gone.png").unlink()
    return {
        "torn.png cannot be read as a picture": Image.file(folder / "torn.png"),
        "gone.png cannot be read as a picture": gone,
        "torn.mp4 cannot be read as a clip": Video(folder / "torn.mp4"),
    }


@pytest.mark.parametrize("which", [0, 1, 2])
def test_media_that_cannot_be_opened_stop_every_method(tmp_path, base, which: int) -> None:
    message, medium = list(_bad_media(tmp_path).items())[which]
    bad = replace(GOOD[0], id="fifth", media=(medium,))
    match = rf"^example fifth: \S*{message}"
    with pytest.raises(InputError, match=match):
        _sft(base, tmp_path / "sft", _teach(bad))
    with pytest.raises(InputError, match=match):
        _dpo(base, tmp_path / "dpo", PreferencePair(bad, ANSWER_ONLY, "yes", "no"))
    with pytest.raises(InputError, match=match):
        _grpo(base, tmp_path / "grpo", bad)


def test_an_answer_that_is_no_choice_and_equal_choices_are_refused(tmp_path, base) -> None:
    for choices, message in ((("cup", "pen"), "is none of the 2 choices"), (("6", "6."), "occurs twice")):
        bad = replace(GOOD[0], id="fifth", answer="6", choices=choices)
        with pytest.raises(InputError, match=f"^example fifth: .*{message}"):
            _sft(base, tmp_path / "sft", _teach(bad))
        with pytest.raises(InputError, match=f"^example fifth: .*{message}"):
            _grpo(base, tmp_path / "grpo", bad)


@pytest.mark.parametrize("answer", ["cup", "A", "(B)", "B. pen", "**B**"])
def test_an_answer_may_name_its_choice_in_any_form_that_is_read(tmp_path, base, answer: str) -> None:
    named = [replace(GOOD[0], answer=answer, choices=("cup", "pen"))]
    lessons = [*map(_teach, named)]
    assert check_examples(base, lessons, SFTConfig(), tmp_path / "out", _quiet) is lessons


def test_control_tokens_in_earlier_turns_are_refused(tmp_path, base) -> None:
    held = replace(GOOD[0], id="fifth", history=(Turn("user", "Hi."), Turn("assistant", "Yes.<|im_end|>")))
    with pytest.raises(InputError, match=r"^example fifth: the prompt contains '<[|]im_end[|]>'"):
        _sft(base, tmp_path / "sft", _teach(held))
    with pytest.raises(InputError, match=r"^example fifth: the prompt contains '<[|]im_end[|]>'"):
        _grpo(base, tmp_path / "grpo", held)


@pytest.mark.parametrize(
    ("better", "worse", "message"),
    [
        ("same", "same", "same text"),
        ("<think>", "b", "empty"),
        ("a", "<think> \n", "empty"),
        ("", "b", "empty"),
    ],
)
def test_responses_that_are_empty_or_equal_are_refused(tmp_path, base, better, worse, message) -> None:
    pair = PreferencePair(replace(GOOD[0], where="my.jsonl, row 5"), PREFILLED_THINK, better, worse)
    with pytest.raises(InputError, match=rf"^my.jsonl, row 5: .*{message}"):
        _dpo(base, tmp_path / "out", pair)
    if message == "empty":
        with pytest.raises(InputError, match="response is empty"):
            _sft(
                base,
                tmp_path / "out",
                SFTExample(GOOD[0], PREFILLED_THINK, better if worse == "b" else worse),
            )


def test_a_row_without_an_answer_is_refused_where_one_is_needed(tmp_path, base) -> None:
    silent = replace(GOOD[0], id="fifth", answer=None)
    task = Task("sums", [*GOOD, silent], THINK_ANSWER, verify.same_answer)
    with pytest.raises(InputError, match=r"^example fifth has no answer to teach"):
        sft.sft(base, GoldTraces(task), SFTConfig(), tmp_path / "sft", _quiet)
    with pytest.raises(InputError, match=r"^example fifth: .*; give the row an answer"):
        _grpo(base, tmp_path / "grpo", silent)
    kept = check_task(
        base, replace(task, verifier=verify.well_formed), GRPOConfig(), tmp_path / "free", _quiet
    )
    assert kept.examples is task.examples, "a verifier that reads no reference needs none"


def test_the_number_of_further_rows_at_fault_is_told(tmp_path, base) -> None:
    empty = SFTExample(GOOD[0], THINK_ANSWER, " ")
    with pytest.raises(InputError, match=r"remove the row; 2 more rows are at fault$"):
        _sft(base, tmp_path / "out", empty, empty, empty)
    with pytest.raises(InputError, match=r"remove the row; 1 more row is at fault$"):
        _sft(base, tmp_path / "out", empty, empty)
    with pytest.raises(InputError, match="there is no row to train on"):
        sft.sft(base, [], SFTConfig(), tmp_path / "out", _quiet)


def test_rows_of_a_file_are_named_by_file_and_row(tmp_path, base) -> None:
    row = {"question": "What is 2 + 2?", "answer": "4", "steps": ["Add."]}
    path = _rows(tmp_path / "my.jsonl", *[row] * 4, row | {"steps": ["So <|im_end|> it is."]})
    with pytest.raises(InputError, match=r"^\S*my\.jsonl, row 5: the response contains '<[|]im_end[|]>'"):
        sft.sft(base, GoldTraces(load_task(path)), SFTConfig(), tmp_path / "out", _quiet)
    pair = {"prompt": "Which?", "chosen": "This.", "rejected": "That."}
    path = _rows(tmp_path / "pairs.jsonl", *[pair] * 4, pair | {"rejected": "That.<|im_end|>"})
    with pytest.raises(InputError, match=r"^\S*pairs\.jsonl, row 5: the response contains"):
        dpo.dpo(base, read_pairs(path, THINK_ANSWER), DPOConfig(), tmp_path / "out", _quiet)


def test_a_conversation_that_the_chat_template_refuses_is_found_once(tmp_path, base, monkeypatch) -> None:
    calls: list[int] = []

    def render(processor: Any, messages: Any) -> str:
        calls.append(len(messages))
        raise InputError("the model's chat template drops the system prompt; ask in another mode")

    monkeypatch.setattr(preflight.chat_template, "render", render)
    with pytest.raises(InputError, match=r"^example e0: the model's chat template drops the system prompt"):
        _sft(base, tmp_path / "out")
    monkeypatch.setattr(preflight.chat_template, "render", lambda processor, messages: calls.append(0) or "")
    calls.clear()
    check_examples(base, [*map(_teach, GOOD)], SFTConfig(), tmp_path / "out", _quiet)
    assert calls == [0], "conversations of one shape are rendered once"


# The verifier -----------------------------------------------------------------------------------------------


def deaf(example: Example, response: Response) -> Score:
    return Score(None, "it hears nothing")


def choosy(example: Example, response: Response) -> Score:
    return Score(None, "it is four") if example.answer == "4" else Score(1.0)


def test_a_verifier_that_can_judge_no_reference_answer_is_refused(tmp_path, base) -> None:
    message = "the verifier can judge no row, so nothing would be learned; example e0: it hears nothing"
    with pytest.raises(InputError, match=message):
        _grpo(base, tmp_path / "out", verifier=deaf)
    with pytest.raises(InputError, match=r"is neither yes nor no"):
        _grpo(base, tmp_path / "out", verifier=verify.yes_no)


def test_rows_that_the_verifier_cannot_judge_are_counted(tmp_path, base) -> None:
    task = Task("sums", GOOD, THINK_ANSWER, choosy)
    assert check_task(base, task, GRPOConfig(), tmp_path / "out", _quiet).examples is GOOD
    (note,) = training_notes(tmp_path / "out")
    assert note == "1 of 4 rows cannot be judged by the verifier, the first is example e2: it is four"


def test_a_judge_model_is_not_asked_before_the_training(tmp_path, base) -> None:
    class Counting:
        uses_judge = True

        def prefetch(self, pairs: Any) -> None: ...

        def __call__(self, example: Example, response: Response) -> Score:
            raise AssertionError("a call of the judge")

    check_task(base, Task("sums", GOOD, THINK_ANSWER, Counting()), GRPOConfig(), tmp_path / "out", _quiet)


def test_a_format_that_needs_steps_says_nothing_about_the_verifier(tmp_path, base) -> None:
    from seethink.formats import STAGED

    bare = [replace(example, steps=()) for example in GOOD]
    task = Task("sums", bare, STAGED, verify.same_answer)
    assert check_task(base, task, GRPOConfig(), tmp_path / "out", _quiet).examples is bare


# Long prompts -----------------------------------------------------------------------------------------------


def _pictures(sizes: Sequence[int]) -> list[Example]:
    return [
        Example(
            f"p{side}",
            "How many?",
            (Image.drawn(f"p{side}", lambda s=side: PIL.Image.new("RGB", (s, s))),),
            *("1", (), ("Count.",)),
        )
        for side in sizes
    ]


def test_long_prompts_are_left_out_before_the_first_step_and_counted(tmp_path, base) -> None:
    examples = [*map(_teach, [*_pictures([56, 560, 28, 448]), *GOOD])]
    config = SFTConfig.of(max_prompt_length=100, filter_overlong_prompts=True)
    kept = check_examples(base, examples, config, tmp_path / "out", _quiet)
    assert [lesson.example.id for lesson in kept] == ["p56", "p28", "e0", "e1", "e2", "e3"]
    assert training_notes(tmp_path / "out") == [
        "2 of 8 rows left out, their prompts longer than max_prompt_length=100"
    ]
    whole = tiny.encoder(tiny.qwen2_vl()).prompts([e.format.prompt(e.example) for e in examples])
    assert [len(p.ids) <= 100 for p in whole] == [True, False, True, False, *[True] * 4], "as it is encoded"


def test_a_filter_that_leaves_nothing_is_an_error(tmp_path, base) -> None:
    short = min(
        len(p.ids) for p in tiny.encoder(tiny.qwen2_vl()).prompts([THINK_ANSWER.prompt(e) for e in GOOD])
    )
    message = (
        rf"leaves no row: all 4 prompts are longer than max_prompt_length=9, the shortest has {short} tokens"
    )
    with pytest.raises(InputError, match=message):
        _sft(base, tmp_path / "out", max_prompt_length=9, filter_overlong_prompts=True)
    with pytest.raises(InputError, match=message):
        _grpo(base, tmp_path / "out", max_prompt_length=9, filter_overlong_prompts=True)


def test_an_overlong_prompt_is_an_error_with_the_number_of_the_others(tmp_path, base) -> None:
    bad = [replace(e, where=f"my.jsonl, row {i}") for i, e in enumerate(_pictures([560, 448]), 5)]
    message = (
        r"^my.jsonl, row 5: the prompt has \d+ tokens, more than max_prompt_length=100; .*; 1 more row is at"
    )
    with pytest.raises(InputError, match=message):
        _sft(base, tmp_path / "out", *map(_teach, bad), max_prompt_length=100)


# Cost -------------------------------------------------------------------------------------------------------


def test_no_picture_is_drawn_or_decoded_and_each_header_is_read_once(tmp_path, base, monkeypatch) -> None:
    task = Task("drawn", Drawn(6, readable=False), THINK_ANSWER, verify.same_number)
    assert check_task(base, task, GRPOConfig(), tmp_path / "out", _quiet).examples is task.examples
    PIL.Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    opened: list[str] = []
    read_header, load = decoding.opened, Image.load
    monkeypatch.setattr(decoding, "opened", lambda *of: opened.append(of[1]) or read_header(*of))
    monkeypatch.setattr(Image, "load", lambda p: load(p) if is_drawn(p) else pytest.fail("decoded"))
    pictured = [replace(e, media=(Image.file(tmp_path / "a.png"),)) for e in GOOD]
    check_examples(base, [*map(_teach, pictured)], SFTConfig(), tmp_path / "out", _quiet)
    assert len(opened) == 1


def test_progress_is_told_every_second(tmp_path, base, monkeypatch) -> None:
    told: list[dict] = []
    monkeypatch.setattr(preflight, "PROGRESS_EVERY_S", -1.0)
    check_examples(
        base, [*map(_teach, GOOD)], SFTConfig.of(max_prompt_length=500), tmp_path / "out", told.append
    )
    assert told == [
        {"step": i, "steps": 4, "detail": detail}
        for detail in ("rows checked", "prompts measured")
        for i in range(1, 5)
    ]


def test_a_subset_is_read_on_access() -> None:
    some = Subset.of(range(100), [3, 1, 4])
    assert (len(some), list(some), some[-1]) == (3, [3, 1, 4], 4)
    items = [1, 2]
    assert Subset.of(items, [0, 1]) is items


def test_only_the_first_process_writes_the_record(tmp_path, base, monkeypatch) -> None:
    monkeypatch.setenv("RANK", "1")
    check_pairs(base, [PreferencePair(GOOD[0], ANSWER_ONLY, "a", "b")], DPOConfig(), tmp_path / "out", _quiet)
    assert not (tmp_path / "out").exists()
