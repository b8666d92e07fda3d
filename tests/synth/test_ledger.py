"""Nothing that was answered is asked again, and nothing is lost or counted twice."""

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

from seethink.engines.teacher import Call, Reply
from seethink.media import Image
from seethink.synth.asker import Asker, Budget, BudgetReached, LocalDesk, Price
from seethink.synth.ledger import Asked, Ledger
from seethink.types import Example, InputError, Sampling
from tests.synth.made import CHAIN, Hashing, asking, examples, outcome, run

CALL = Call("think", Example("e", "?"), "reason", asking("why?"), version="v1")


def test_every_example_ends_in_the_ledger_in_the_order_of_the_data(tmp_path):
    run(tmp_path / "ledger", examples(40), Hashing())
    ended = outcome(tmp_path / "ledger")
    assert [row[:2] for row in ended] == [(i, f"e{i}") for i in range(40)]
    states = {row[2] for row in ended}
    assert states == {"kept", "dropped"}
    assert all(row[3:5] == ("think", "leak") for row in ended if row[2] == "dropped")


def test_a_second_run_asks_nothing_and_a_larger_one_asks_for_what_is_new(tmp_path):
    run(tmp_path / "ledger", examples(20), Hashing())
    again = Hashing()
    run(tmp_path / "ledger", examples(20), again)
    assert not again.asked
    more = Hashing()
    run(tmp_path / "ledger", examples(25), more)
    assert sum(more.asked.values()) == 5 * 3 and set(more.asked.values()) == {1}


def test_another_chain_takes_verdicts_back_and_asks_only_what_is_worded_anew(tmp_path):
    data = examples(10)
    run(tmp_path / "ledger", data, Hashing())
    reworded = replace(CHAIN, steps=(CHAIN.steps[0], replace(CHAIN.steps[1], name="think-again")))
    teacher = Hashing()
    run(tmp_path / "ledger", data, teacher, chain=reworded)
    assert sum(teacher.asked.values()) == 10 * 2
    assert {row[3] for row in outcome(tmp_path / "ledger") if row[2] == "dropped"} == {"think-again"}


def test_equal_calls_are_one_even_while_the_first_is_on_its_way(tmp_path):
    data = [replace(example, question="the same?") for example in examples(6)]
    shown = [Image.drawn(f"made/{i}", lambda: Pillow.new("RGB", (4, 4))) for i in range(6)]
    data = [replace(example, media=(picture,)) for example, picture in zip(data, shown, strict=True)]
    teacher = Hashing(delay_s=0.01)
    run(tmp_path / "ledger", data, teacher)
    assert set(teacher.asked.values()) == {1} and len(teacher.asked) == 3
    assert len({str(row[6]) for row in outcome(tmp_path / "ledger")}) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(CALL, version="v2"),
        replace(CALL, messages=asking("why not?")),
        replace(CALL, sampling=Sampling(seed=1)),
        replace(CALL, schema={"type": "object"}),
    ],
)
def test_a_call_is_known_by_its_content_and_its_model(other):
    assert Asked.of(CALL, "m").key == Asked.of(replace(CALL, example=Example("f", "!"), step="x"), "m").key
    assert Asked.of(CALL, "m").key != Asked.of(other, "m").key
    assert Asked.of(CALL, "m").key != Asked.of(CALL, "n").key


def test_a_picture_is_known_by_what_it_shows_and_not_by_where_it_stands(tmp_path):
    def call(name: str, colour: str) -> Call:
        Pillow.new("RGB", (4, 4), colour).save(tmp_path / name)
        picture = Image.file(tmp_path / name)
        return replace(CALL, messages=[{"role": "user", "content": [{"type": "image", "image": picture}]}])

    red, again, blue = call("a.png", "red"), call("b.png", "red"), call("c.png", "blue")
    assert Asked.of(red, "m").key == Asked.of(again, "m").key != Asked.of(blue, "m").key


def test_what_nobody_answers_is_a_row_and_is_asked_again_next_time(tmp_path):
    run(tmp_path / "ledger", examples(8), Hashing(fails=lambda call: call.example.id == "e3"))
    failed = [row for row in outcome(tmp_path / "ledger") if row[2] == "failed"]
    assert [row[1:5] for row in failed] == [("e3", "failed", "describe", "500")]
    faults = sqlite3.connect(tmp_path / "ledger").execute("SELECT example, kind, told FROM faults").fetchall()
    assert faults == [("e3", "500", "the server is tired")]
    run(tmp_path / "ledger", examples(8), recovered := Hashing())
    assert sum(recovered.asked.values()) == 3
    run(tmp_path / "undisturbed", examples(8), Hashing())
    assert outcome(tmp_path / "ledger") == outcome(tmp_path / "undisturbed")


@pytest.mark.parametrize("budget", [Budget(calls=10), Budget(tokens=300), Budget(cost=0.0001)])
def test_a_budget_stops_between_calls_and_a_larger_one_continues(tmp_path, budget):
    data, teacher = examples(30), Hashing(delay_s=0.001)
    ledger = Ledger(tmp_path / "ledger")
    asker = Asker({"reason": teacher}, LocalDesk(ledger, budget), prices={"reason": Price(1.0, 1.0)})
    calls = [replace(CALL, messages=asking(f"{example.id}?")) for example in data]

    async def five_at_a_time() -> list[object]:
        batches = [calls[i : i + 5] for i in range(0, len(calls), 5)]
        asked = [await asyncio.gather(*map(asker.put, batch), return_exceptions=True) for batch in batches]
        return [told for batch in asked for told in batch]

    told = asyncio.run(five_at_a_time())
    spent = ledger.spent()
    ledger.close()
    stopped = [error for error in told if isinstance(error, BudgetReached)]
    assert len(stopped) == len(data) - spent.calls > 0
    if budget.calls:
        assert spent.calls == 10
    if not budget.calls:
        return
    with pytest.raises(BudgetReached, match="budget of 10 calls is spent"):
        run(tmp_path / "ledger", data, Hashing(), budget)
    run(tmp_path / "ledger", data, Hashing(), Budget(calls=1_000))
    assert len(outcome(tmp_path / "ledger")) == 30


def test_a_budget_that_is_reached_loses_nothing_that_was_answered(tmp_path):
    first, second = Hashing(delay_s=0.001), Hashing()
    with pytest.raises(BudgetReached):
        run(tmp_path / "ledger", examples(30), first, Budget(calls=40))
    assert sum(first.asked.values()) == 40
    run(tmp_path / "ledger", examples(30), second)
    assert sum(second.asked.values()) == 30 * 3 - 40 and not set(first.asked) & set(second.asked)


def test_a_full_disk_is_one_sentence_and_the_same_command_continues(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "ledger")
    pages = ledger.counted("PRAGMA page_count")[0][0]
    ledger.close()
    connect = sqlite3.connect

    def tight(*args, **kwargs):
        db = connect(*args, **kwargs)
        db.execute(f"PRAGMA max_page_count = {pages + 4}")
        return db

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", tight)
        with pytest.raises(InputError, match=r"the disk of .* is full .*; make room, and the same command"):
            run(tmp_path / "ledger", examples(200), Hashing())
    kept = Ledger(tmp_path / "ledger")
    answered = kept.spent().calls
    kept.close()
    run(tmp_path / "ledger", examples(200), rest := Hashing())
    assert answered > 0 and sum(rest.asked.values()) == 600 - answered


@pytest.mark.parametrize("damage", ["no database at all, but text" * 400, None])
def test_a_damaged_ledger_is_one_sentence_and_stays_as_it_is(tmp_path, damage):
    path = tmp_path / "ledger"
    run(path, examples(60), Hashing())
    if damage:
        path.write_text(damage)
    else:
        content = bytearray(path.read_bytes())
        content[4_096 * 2 : 4_096 * 6] = b"\xff" * 4_096 * 4
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(
        InputError, match=r"the ledger .* is damaged .*; restore it from a copy, or move it away"
    ):
        run(path, examples(60), Hashing())
    assert path.read_bytes() == before


def test_a_ledger_of_another_layout_is_refused(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    ledger.tell("layout", "0")
    ledger.close()
    with pytest.raises(InputError, match="of another layout"):
        Ledger(tmp_path / "ledger")


def test_the_ledger_keeps_what_was_asked_word_for_word(tmp_path):
    run(tmp_path / "ledger", examples(1), Hashing())
    rows = sqlite3.connect(tmp_path / "ledger").execute(
        "SELECT request, text FROM calls WHERE step='describe'"
    )
    ((request, text),) = rows.fetchall()
    asked = json.loads(zlib.decompress(request))
    assert asked[0] == "hashing" and asked[2] == [["user", ["describe question 0?"]]]
    assert len(text) == 12


def test_memory_does_not_grow_with_the_examples(tmp_path):
    class Many(list):
        def __len__(self) -> int:
            return 6_000

        def __getitem__(self, i):
            return Example(f"e{i}", f"question {i}? " + "x" * 2_000, answer="1")

    class Forgetful(Counter[str]):
        def __setitem__(self, told: str, count: int) -> None:
            pass

    run(tmp_path / "warm", examples(500), Hashing())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(tmp_path / "ledger", Many(), Hashing(asked=Forgetful()))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 12_000  # kB; all texts are 36,000


def test_replies_are_on_disk_before_they_are_used_and_those_that_come_together_are_one_write(tmp_path):
    ledger, other = Ledger(tmp_path / "ledger"), sqlite3.connect(tmp_path / "ledger")
    commits: list[int] = []
    ledger._db.set_trace_callback(lambda query: commits.append(1) if query == "COMMIT" else None)
    calls = [Asked.of(replace(CALL, version=f"v{i}"), "m") for i in range(20)]

    async def answered(desk: LocalDesk, asked: Asked) -> None:
        assert await desk.admit(asked.key, "here") is None
        await desk.keep(asked, Reply(asked.version), 0.0)
        assert other.execute("SELECT text FROM calls WHERE key = ?", (asked.key,)).fetchall() == [
            (asked.version,)
        ]

    async def all_of_them() -> None:
        desk = LocalDesk(ledger)
        await answered(desk, calls[0])
        await asyncio.gather(*(answered(desk, asked) for asked in calls[1:]))

    asyncio.run(all_of_them())
    assert len(commits) == 2


def test_what_cannot_be_written_is_told_to_all_who_wait_and_none_of_it_is_kept(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "ledger")
    calls = [Asked.of(replace(CALL, version=f"v{i}"), "m") for i in range(3)]
    ledger._db.execute(
        "CREATE TRIGGER full BEFORE INSERT ON calls WHEN NEW.version = 'v2' "
        "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    )

    async def all_of_them() -> list[object]:
        desk = LocalDesk(ledger)
        for asked in calls:
            await desk.admit(asked.key, "here")
        return await asyncio.gather(*(desk.keep(a, Reply("so"), 0.0) for a in calls), return_exceptions=True)

    found = asyncio.run(all_of_them())
    assert found and all(isinstance(one, Exception) for one in found)
    ledger.close()
    assert Ledger(tmp_path / "ledger").spent().calls == 0


def test_who_begins_anew_finds_the_reply_that_was_left_a_moment_before(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    asked, other = (Asked.of(replace(CALL, version=f"v{i}"), "m") for i in range(2))

    async def scene() -> Reply | None:
        desk = LocalDesk(ledger)
        assert await desk.admit(asked.key, "block 0") is await desk.admit(other.key, "block 0") is None
        await desk.keep(other, Reply("a commit just now"), 0.0)
        left = asyncio.create_task(desk.keep(asked, Reply("so"), 0.0))
        await asyncio.sleep(0)
        await desk.begin("block 0")
        found = await desk.admit(asked.key, "block 0")
        await left
        return found

    assert asyncio.run(scene()) == Reply("so")
