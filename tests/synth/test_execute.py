"""Running examples: resuming after a kill, duplicates, decontamination, defects of steps."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from PIL import Image as Pillow

from seethink.media import Image, fingerprint
from seethink.synth.draft import AskTeacher, Draft, Dropped
from seethink.synth.execute import pending
from seethink.synth.ledger import Ledger
from seethink.types import InputError
from tests.synth.toy_chain import CHAIN, HashingEngine, examples, outcome, run

ROOT = Path(__file__).parent.parent.parent
PROGRAM = """
import sys
from pathlib import Path
from tests.synth.toy_chain import HashingEngine, examples, run
run(Path(sys.argv[1]), examples(150), HashingEngine(delay_s=0.02, log=Path(sys.argv[2])))
"""


def test_ten_kills_give_the_output_of_an_undisturbed_run_and_no_stored_request_is_repeated(tmp_path):
    ledger, log, rng = tmp_path / "ledger", tmp_path / "log", random.Random("kills")
    log.touch()
    repeated = 0
    for kill in range(11):
        before = Counter(log.read_text(encoding="utf-8").splitlines())
        stored = _stored(ledger)
        child = subprocess.Popen([sys.executable, "-c", PROGRAM, str(ledger), str(log)], cwd=ROOT)
        if kill < 10:
            began = log.stat().st_size
            while log.stat().st_size == began and child.poll() is None:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.08))
            child.send_signal(signal.SIGKILL)
        assert child.wait(60) == (-signal.SIGKILL if kill < 10 else 0)
        requested = Counter(log.read_text(encoding="utf-8").splitlines()) - before
        assert not set(requested) & stored
        repeated += sum((requested & before).values())
    run(tmp_path / "undisturbed", examples(150), HashingEngine())
    assert outcome(ledger) == outcome(tmp_path / "undisturbed")
    assert repeated <= 10 * 16  # in flight at a kill: eight examples, two requests each


def _stored(path: Path) -> set[str]:
    """The prompts whose replies are in the ledger."""
    import json
    import zlib

    if not path.exists():
        return set()
    ledger = Ledger(path)
    rows = ledger.query("SELECT request FROM calls")
    ledger.close()
    return {json.loads(zlib.decompress(request))[2][0][1][0] for (request,) in rows}


def _picture(colour: str) -> Image:
    return Image.drawn(f"image/{colour}", lambda: Pillow.new("RGB", (4, 4), colour))


def test_of_equal_questions_about_one_image_only_the_first_runs(tmp_path):
    data = [replace(each, question="what?", media=(_picture("red"),)) for each in examples(4)]
    data[2] = replace(data[2], question="who?")
    data[3] = replace(data[3], media=(_picture("blue"),))
    run(tmp_path / "ledger", data, HashingEngine())
    dropped = [row[:6] for row in outcome(tmp_path / "ledger") if row[3] == "select"]
    why = "same question and media as example 1"
    assert dropped == [(1, "e1", "dropped", "select", "duplicate", why)]


def test_images_of_the_test_data_are_dropped_before_any_request(tmp_path):
    data = [
        replace(each, media=(_picture(colour),))
        for each, colour in zip(examples(2), ("red", "blue"), strict=True)
    ]
    ledger = Ledger(tmp_path / "ledger")
    assert list(pending(data, ledger, {fingerprint(_picture("red"))})) == [1]
    ledger.commit()
    assert [done.reason for done in ledger.examples()] == ["in the test data"]
    ledger.close()


@dataclass(frozen=True)
class BrokenStep:
    name: str = "broken"

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        if draft.example.id == "e5":
            raise ZeroDivisionError("a defect")
        return draft


def test_a_defect_of_a_step_stops_everything_and_names_step_and_example(tmp_path):
    with pytest.raises(ZeroDivisionError) as raised:
        run(tmp_path / "ledger", examples(9), HashingEngine(), chain=replace(CHAIN, steps=(BrokenStep(),)))
    assert raised.value.__notes__ == ["in the step broken, for example e5"]


def test_an_error_of_every_request_stops_the_run(tmp_path):
    def wrong_key(call):
        raise InputError("the key is wrong")

    with pytest.raises(InputError, match="the key is wrong"):
        run(tmp_path / "ledger", examples(9), HashingEngine(fails=wrong_key))
    assert outcome(tmp_path / "ledger") == []
