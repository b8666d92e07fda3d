"""No answered request is repeated, and nothing is lost or counted twice."""

from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
import zlib
from collections import Counter
from dataclasses import replace

import pytest
from PIL import Image as Pillow

from seethink.engines.base import Request
from seethink.media import Image
from seethink.synth.dispatch import Budget, BudgetReached, LocalLedgerService, Price, RequestDispatcher
from seethink.synth.ledger import CallRecord, Ledger
from seethink.types import Completion, Example, InputError, Sampling
from tests.synth.toy_chain import CHAIN, HashingEngine, examples, outcome, run, user_message

CALL = Request("think", Example("e", "?"), "text", user_message("why?"), version="v1")


def test_every_example_ends_in_the_ledger_in_the_order_of_the_data(tmp_path):
    run(tmp_path / "ledger", examples(40), HashingEngine())
    ended = outcome(tmp_path / "ledger")
    assert [row[:2] for row in ended] == [(i, f"e{i}") for i in range(40)]
    states = {row[2] for row in ended}
    assert states == {"kept", "dropped"}
    assert all(row[3:5] == ("think", "leak") for row in ended if row[2] == "dropped")


def test_a_second_run_sends_no_request_and_a_larger_one_only_new_ones(tmp_path):
    run(tmp_path / "ledger", examples(20), HashingEngine())
    again = HashingEngine()
    run(tmp_path / "ledger", examples(20), again)
    assert not again.n_requests
    more = HashingEngine()
    run(tmp_path / "ledger", examples(25), more)
    assert sum(more.n_requests.values()) == 5 * 3 and set(more.n_requests.values()) == {1}


def test_another_chain_discards_outcomes_and_sends_only_requests_with_new_prompts(tmp_path):
    data = examples(10)
    run(tmp_path / "ledger", data, HashingEngine())
    reworded = replace(CHAIN, steps=(CHAIN.steps[0], replace(CHAIN.steps[1], name="think-again")))
    teacher = HashingEngine()
    run(tmp_path / "ledger", data, teacher, chain=reworded)
    assert sum(teacher.n_requests.values()) == 10 * 2
    assert {row[3] for row in outcome(tmp_path / "ledger") if row[2] == "dropped"} == {"think-again"}


def test_equal_requests_are_sent_once_even_while_the_first_is_in_flight(tmp_path):
    data = [replace(example, question="the same?") for example in examples(6)]
    shown = [Image.drawn(f"image/{i}", lambda: Pillow.new("RGB", (4, 4))) for i in range(6)]
    data = [replace(example, media=(picture,)) for example, picture in zip(data, shown, strict=True)]
    teacher = HashingEngine(delay_s=0.01)
    run(tmp_path / "ledger", data, teacher)
    assert set(teacher.n_requests.values()) == {1} and len(teacher.n_requests) == 3
    assert len({str(row[6]) for row in outcome(tmp_path / "ledger")}) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(CALL, version="v2"),
        replace(CALL, messages=user_message("why not?")),
        replace(CALL, sampling=Sampling(seed=1)),
        replace(CALL, schema={"type": "object"}),
    ],
)
def test_the_key_of_a_call_depends_on_its_content_and_its_model(other):
    assert (
        CallRecord.of(CALL, "m").key
        == CallRecord.of(replace(CALL, example=Example("f", "!"), step="x"), "m").key
    )
    assert CallRecord.of(CALL, "m").key != CallRecord.of(other, "m").key
    assert CallRecord.of(CALL, "m").key != CallRecord.of(CALL, "n").key


def test_an_image_is_identified_by_its_content_and_not_by_its_path(tmp_path):
    def call(name: str, colour: str) -> Request:
        Pillow.new("RGB", (4, 4), colour).save(tmp_path / name)
        picture = Image.file(tmp_path / name)
        return replace(CALL, messages=[{"role": "user", "content": [{"type": "image", "image": picture}]}])

    red, again, blue = call("a.png", "red"), call("b.png", "red"), call("c.png", "blue")
    assert CallRecord.of(red, "m").key == CallRecord.of(again, "m").key != CallRecord.of(blue, "m").key


def test_a_failed_request_is_recorded_and_sent_again_by_the_next_run(tmp_path):
    run(tmp_path / "ledger", examples(8), HashingEngine(fails=lambda call: call.example.id == "e3"))
    failed = [row for row in outcome(tmp_path / "ledger") if row[2] == "failed"]
    assert [row[1:5] for row in failed] == [("e3", "failed", "describe", "500")]
    faults = sqlite3.connect(tmp_path / "ledger").execute("SELECT example, kind, told FROM faults").fetchall()
    assert faults == [("e3", "500", "the server is overloaded")]
    run(tmp_path / "ledger", examples(8), recovered := HashingEngine())
    assert sum(recovered.n_requests.values()) == 3
    run(tmp_path / "undisturbed", examples(8), HashingEngine())
    assert outcome(tmp_path / "ledger") == outcome(tmp_path / "undisturbed")


@pytest.mark.parametrize("budget", [Budget(calls=10), Budget(tokens=300), Budget(cost=0.0001)])
def test_a_budget_stops_between_calls_and_a_larger_one_continues(tmp_path, budget):
    data, teacher = examples(30), HashingEngine(delay_s=0.001)
    ledger = Ledger(tmp_path / "ledger")
    dispatcher = RequestDispatcher(
        {"text": teacher}, LocalLedgerService(ledger, budget), prices={"text": Price(1.0, 1.0)}
    )
    calls = [replace(CALL, messages=user_message(f"{example.id}?")) for example in data]

    async def send_in_batches() -> list[object]:
        batches = [calls[i : i + 5] for i in range(0, len(calls), 5)]
        results = [
            await asyncio.gather(*map(dispatcher.send, batch), return_exceptions=True) for batch in batches
        ]
        return [result for batch in results for result in batch]

    results = asyncio.run(send_in_batches())
    usage = ledger.usage()
    ledger.close()
    stopped = [error for error in results if isinstance(error, BudgetReached)]
    assert len(stopped) == len(data) - usage.calls > 0
    if budget.calls:
        assert usage.calls == 10
    if not budget.calls:
        return
    with pytest.raises(BudgetReached, match="budget of 10 calls is spent"):
        run(tmp_path / "ledger", data, HashingEngine(), budget)
    run(tmp_path / "ledger", data, HashingEngine(), Budget(calls=1_000))
    assert len(outcome(tmp_path / "ledger")) == 30


def test_a_reached_budget_loses_no_reply(tmp_path):
    first, second = HashingEngine(delay_s=0.001), HashingEngine()
    with pytest.raises(BudgetReached):
        run(tmp_path / "ledger", examples(30), first, Budget(calls=40))
    assert sum(first.n_requests.values()) == 40
    run(tmp_path / "ledger", examples(30), second)
    assert sum(second.n_requests.values()) == 30 * 3 - 40 and not set(first.n_requests) & set(
        second.n_requests
    )


def test_a_full_disk_is_one_sentence_and_the_same_command_continues(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "ledger")
    pages = ledger.query("PRAGMA page_count")[0][0]
    ledger.close()
    connect = sqlite3.connect

    def connect_with_limit(*args, **kwargs):
        db = connect(*args, **kwargs)
        db.execute(f"PRAGMA max_page_count = {pages + 4}")
        return db

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", connect_with_limit)
        with pytest.raises(
            InputError, match=r"the disk of .* is full .*; free some space and run the same command"
        ):
            run(tmp_path / "ledger", examples(200), HashingEngine())
    kept = Ledger(tmp_path / "ledger")
    answered = kept.usage().calls
    kept.close()
    run(tmp_path / "ledger", examples(200), rest := HashingEngine())
    assert answered > 0 and sum(rest.n_requests.values()) == 600 - answered


@pytest.mark.parametrize("damage", ["not a database, but text" * 400, None])
def test_a_damaged_ledger_is_one_sentence_and_is_not_modified(tmp_path, damage):
    path = tmp_path / "ledger"
    run(path, examples(60), HashingEngine())
    if damage:
        path.write_text(damage, encoding="utf-8")
    else:
        content = bytearray(path.read_bytes())
        content[4_096 * 2 : 4_096 * 6] = b"\xff" * 4_096 * 4
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(
        InputError, match=r"the ledger .* is damaged .*; restore it from a copy, or move it away"
    ):
        run(path, examples(60), HashingEngine())
    assert path.read_bytes() == before


def test_a_ledger_of_another_schema_version_is_refused(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    ledger.write_about("layout", "0")
    ledger.close()
    with pytest.raises(InputError, match="has the schema version 0, not 1"):
        Ledger(tmp_path / "ledger")


def test_the_ledger_keeps_every_request_verbatim(tmp_path):
    run(tmp_path / "ledger", examples(1), HashingEngine())
    rows = sqlite3.connect(tmp_path / "ledger").execute(
        "SELECT request, text FROM calls WHERE step='describe'"
    )
    ((request, text),) = rows.fetchall()
    stored = json.loads(zlib.decompress(request))
    assert stored[0] == "hashing" and stored[2] == [["user", ["describe question 0?"]]]
    assert len(text) == 12


def test_memory_does_not_grow_with_the_examples(tmp_path):
    class Many(list):
        def __len__(self) -> int:
            return 6_000

        def __getitem__(self, i):
            return Example(f"e{i}", f"question {i}? " + "x" * 2_000, answer="1")

    class Forgetful(Counter[str]):
        def __setitem__(self, prompt: str, count: int) -> None:
            pass

    run(tmp_path / "warm", examples(500), HashingEngine())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(tmp_path / "ledger", Many(), HashingEngine(n_requests=Forgetful()))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 12_000  # kB; all texts are 36,000


def test_replies_are_on_disk_before_they_are_used_and_simultaneous_ones_share_a_commit(tmp_path):
    ledger, other = Ledger(tmp_path / "ledger"), sqlite3.connect(tmp_path / "ledger")
    commits: list[int] = []
    ledger._db.set_trace_callback(lambda query: commits.append(1) if query == "COMMIT" else None)
    calls = [CallRecord.of(replace(CALL, version=f"v{i}"), "m") for i in range(20)]

    async def answer(service: LocalLedgerService, call: CallRecord) -> None:
        assert await service.reserve(call.key, "here") is None
        await service.commit(call, Completion(call.version), 0.0)
        assert other.execute("SELECT text FROM calls WHERE key = ?", (call.key,)).fetchall() == [
            (call.version,)
        ]

    async def run_all() -> None:
        service = LocalLedgerService(ledger)
        await answer(service, calls[0])
        await asyncio.gather(*(answer(service, call) for call in calls[1:]))

    asyncio.run(run_all())
    assert len(commits) == 2


def test_a_failed_commit_raises_in_every_waiting_caller_and_stores_nothing(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "ledger")
    calls = [CallRecord.of(replace(CALL, version=f"v{i}"), "m") for i in range(3)]
    ledger._db.execute(
        "CREATE TRIGGER full BEFORE INSERT ON calls WHEN NEW.version = 'v2' "
        "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    )

    async def run_all() -> list[object]:
        service = LocalLedgerService(ledger)
        for call in calls:
            await service.reserve(call.key, "here")
        return await asyncio.gather(
            *(service.commit(a, Completion("so"), 0.0) for a in calls), return_exceptions=True
        )

    results = asyncio.run(run_all())
    assert results and all(isinstance(result, Exception) for result in results)
    ledger.close()
    assert Ledger(tmp_path / "ledger").usage().calls == 0


def test_a_restarted_client_finds_the_reply_of_its_predecessor_that_awaits_commit(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    call, other = (CallRecord.of(replace(CALL, version=f"v{i}"), "m") for i in range(2))

    async def restart() -> Completion | None:
        service = LocalLedgerService(ledger)
        assert (
            await service.reserve(call.key, "block 0") is await service.reserve(other.key, "block 0") is None
        )
        await service.commit(other, Completion("a commit just now"), 0.0)
        left = asyncio.create_task(service.commit(call, Completion("so"), 0.0))
        await asyncio.sleep(0)
        await service.release_all("block 0")
        found = await service.reserve(call.key, "block 0")
        await left
        return found

    assert asyncio.run(restart()) == Completion("so")
