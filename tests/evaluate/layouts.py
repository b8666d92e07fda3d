"""The same answers as files in the layout of each tool."""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import PIL.Image
import pyarrow
import pyarrow.parquet

DOTS, SUM, SKY = "How many dots are there?", "What is two plus two?", "Which colour is the sky?"
OPTIONS = ("red", "blue")
COLOURS = ("red", "green")
TEXTS = ("There are 3 dots. The answer is 3.", "2", "<think>2 + 2</think> The answer is 4.", "A")
GOLDS = ("3", "5", "4", "B")
SCORES = (1.0, 0.0, 1.0, 1.0)
"""What the tool reports. The last is wrong: the option is B."""
HERE = (1.0, 0.0, 1.0, 0.0)


def encoded(colour: str, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (12, 8), colour).save(buffer, kind)
    return buffer.getvalue()


def data_uri(colour: str, kind: str = "PNG") -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(encoded(colour, kind)).decode()}"


def questions(folder: Path) -> Path:
    """The data: two questions with the same words about different pictures, and two without a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for colour in COLOURS:
        (folder / f"{colour}.png").write_bytes(encoded(colour))
    rows = [
        {"id": "sky", "question": SKY, "choices": [*OPTIONS], "answer": "B"},
        {"id": "sum", "question": SUM, "answer": "4"},
        {"id": "green", "question": DOTS, "image": "green.png", "answer": "5"},
        {"id": "red", "question": DOTS, "image": "red.png", "answer": "3"},
    ]
    return lines(folder / "questions.jsonl", *rows)


IDS = ("red", "green", "sum", "sky")
"""Ids of the answers' questions in the data, which has another order."""


def lines(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def asked() -> list[str]:
    """The words that models were sent."""
    return [DOTS, DOTS, SUM, f"{SKY}\nA. red\nB. blue"]


def chat(i: int, parts: Callable[[str], Any] | None = None) -> list[dict[str, Any]]:
    """A prompt as messages; parts: of a picture's colour."""
    text = {"type": "text", "text": f"{asked()[i]} Answer briefly."}
    shown = [parts(COLOURS[i])] if parts and i < 2 else []
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [*shown, text]}]


def lmms_eval(folder: Path) -> Path:
    """0.7: `doc` is left out, and `resps` where they equal the filtered ones."""
    rows = [
        {
            "doc_id": i,
            "target": GOLDS[i],
            "filtered_resps": text.rpartition("</think>")[2].strip(),
            **({"resps": [text]} if "</think>" in text else {}),
            "token_counts": [{"input_tokens": 9, "output_tokens": 3}],
            "doc_hash": f"{i:064}",
            "exact_match": SCORES[i],
            "input": f"{asked()[i]}\nAnswer briefly.",
        }
        for i, text in enumerate(TEXTS)
    ]
    results = {
        "results": {"tiny": {"alias": "tiny", "exact_match,none": 0.75, "exact_match_stderr,none": 0.2}}
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "20261128_results.json").write_text(json.dumps(results | {"configs": {}}), encoding="utf-8")
    return lines(folder / "20261128_samples_tiny.jsonl", *rows)


def lmms_eval_first(folder: Path) -> Path:
    """The first releases: one JSON file, lists in lists."""
    logs = [
        {
            "doc_id": i,
            "doc": {"question": (DOTS, DOTS, SUM, SKY)[i], **({"options": [*OPTIONS]} if i == 3 else {})},
            "target": GOLDS[i],
            "arguments": [[asked()[i], "{'until': []}"]],
            "resps": [[text]],
            "filtered_resps": [text],
            "exact_match": {"score": SCORES[i], "question_id": 100 + i},
        }
        for i, text in enumerate(TEXTS)
    ]
    path = folder / "tiny.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"args": {}, "logs": logs}), encoding="utf-8")
    return path


def vlm_rows() -> list[dict[str, Any]]:
    return [
        {
            "index": 10 + i,
            "question": (DOTS, DOTS, SUM, SKY)[i],
            **({"A": "red", "B": "blue"} if i == 3 else {}),
            "answer": GOLDS[i],
            "category": "x & <y>",
            "prediction": text,
            "hit": int(SCORES[i]),
        }
        for i, text in enumerate(TEXTS)
    ]


def vlmevalkit_tsv(folder: Path) -> Path:
    """With the pictures in base64, as in the tables of questions."""
    rows = vlm_rows()
    for row, colour in zip(rows, COLOURS, strict=False):
        row["image"] = base64.b64encode(encoded(colour)).decode()
    names = ["index", "image", "question", "A", "B", "answer", "category", "prediction", "hit"]
    cells = [["" if row.get(name) is None else f'"{row[name]}"' for name in names] for row in rows]
    path = folder / "M_tiny.tsv"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join("\t".join(line) for line in [names, *cells]) + "\n", encoding="utf-8")
    return path


def vlmevalkit_json(folder: Path) -> Path:
    path = folder / "M_tiny.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(vlm_rows()), encoding="utf-8")
    return path


def vlmevalkit_xlsx(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return xlsx(folder / "M_tiny.xlsx", vlm_rows())


MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def xlsx(path: Path, rows: list[dict[str, Any]], head: str = "") -> Path:
    """A workbook as pandas writes it: texts in a table of their own. head: before the sheet's root."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    texts: dict[str, int] = {}
    lines_of_cells = [dict(zip(names, names, strict=True)), *rows]
    sheet = []
    for number, row in enumerate(lines_of_cells, 1):
        cells = []
        for column, name in enumerate(names):
            value, place = row.get(name), f"{chr(ord('A') + column)}{number}"
            if isinstance(value, str):
                index = texts.setdefault(value, len(texts))
                cells.append(f'<c r="{place}" t="s"><v>{index}</v></c>')
            elif value is not None:
                cells.append(f'<c r="{place}"><v>{value}</v></c>')
        sheet.append(f'<row r="{number}">{"".join(cells)}</row>')
    items = "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in texts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", f"<workbook {MAIN}/>")
        archive.writestr("xl/sharedStrings.xml", f"<sst {MAIN}>{items}</sst>")
        body = f"<worksheet {MAIN}><sheetData>{''.join(sheet)}</sheetData></worksheet>"
        archive.writestr("xl/worksheets/sheet1.xml", head + body)
    return path


def inspect_members() -> dict[str, Any]:
    samples = {}
    for i, text in enumerate(TEXTS):
        picture = {"type": "image", "image": "attachment://abc"}
        content = [picture, {"type": "text", "text": DOTS}]
        given = [{"role": "user", "content": content}] if i < 2 else (SUM, SKY)[i - 2]
        samples[f"samples/{i + 1}_epoch_1.json"] = {
            "id": i + 1,
            "epoch": 1,
            "input": given,
            **({"choices": [*OPTIONS]} if i == 3 else {}),
            "target": GOLDS[i],
            "messages": [{"role": "user", "source": "input", "content": asked()[i]}],
            "output": {
                "choices": [{"stop_reason": "stop"}],
                "completion": text,
                "usage": {"output_tokens": 3},
            },
            "scores": {"match": {"value": "C" if SCORES[i] else "I", "answer": text}},
            "attachments": {"abc": data_uri(COLOURS[i])} if i < 2 else {},
        }
    total = {"name": "match", "metrics": {"accuracy": {"value": 0.75}}}
    header = {"status": "success", "eval": {"task": "tiny"}, "results": {"scores": [total]}}
    return {"_journal/start.json": {}, **samples, "header.json": header}


def inspect_ai(folder: Path) -> Path:
    members = {name: json.dumps(value).encode() for name, value in inspect_members().items()}
    return zstd_zip(folder / "tiny.eval", members)


def zstd_zip(path: Path, members: dict[str, bytes]) -> Path:
    """A zip archive of method 93, in frames of at most 1,000 bytes."""
    body, directory = b"", b""
    for name, content in members.items():
        frames = [content[i : i + 1_000] for i in range(0, len(content), 1_000)] or [b""]
        packed = b"".join(pyarrow.compress(frame, codec="zstd", asbytes=True) for frame in frames)
        sizes = struct.pack("<IIIHH", zlib.crc32(content), len(packed), len(content), len(name.encode()), 0)
        common = struct.pack("<HHHHH", 63, 0, 93, 0, 0)[:10] + sizes
        directory += b"PK\1\2\x3f\0" + common + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\3\4" + common + name.encode() + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(body), 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body + directory + b"PK\5\6" + end)
    return path


def verl(folder: Path) -> Path:
    """`rollout_data_dir`: the prompt is the decoded chat, and rows of a step are in one file."""
    rows = [
        {
            "input": f"system\nBe brief.\nuser\n{asked()[i]} Answer briefly.\nassistant\n",
            "output": text,
            "gts": GOLDS[i],
            "score": SCORES[i],
            "step": 7,
            "acc": bool(SCORES[i]),
        }
        for i, text in enumerate(TEXTS)
    ]
    return lines(folder / "rollouts" / "7.jsonl", *rows)


def trl(folder: Path) -> Path:
    """`log_completions`: messages without their pictures."""
    columns = {
        "step": [7] * len(TEXTS),
        "prompt": [chat(i, lambda colour: {"type": "image", "text": None}) for i in range(len(TEXTS))],
        "completion": [[{"role": "assistant", "content": text}] for text in TEXTS],
        "accuracy_reward": [*SCORES],
        "solution": [*GOLDS],
        "advantage": [0.5, -0.5, 0.1, 0.0],
    }
    texts = [
        [{**turn, "content": _as_parts(turn["content"])} for turn in turns] for turns in columns["prompt"]
    ]
    path = folder / "completions" / "completions_00007.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table({**columns, "prompt": texts}), path)
    return path


def _as_parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def verifiers(folder: Path) -> Path:
    rows = [
        {
            "example_id": i,
            "prompt": chat(i, lambda colour: {"type": "image_url", "image_url": {"url": data_uri(colour)}}),
            "completion": [{"role": "assistant", "content": text}],
            "answer": GOLDS[i],
            "reward": SCORES[i],
            "is_truncated": False,
            "correct": SCORES[i],
        }
        for i, text in enumerate(TEXTS)
    ]
    return lines(folder / "results.jsonl", *rows)


def verifiers_traces(folder: Path) -> Path:
    def trace(i: int) -> dict[str, Any]:
        prompt = chat(i, lambda colour: {"type": "image_url", "image_url": {"url": data_uri(colour)}})
        nodes = [{"message": message} for message in prompt]
        answer = {"message": {"role": "assistant", "content": TEXTS[i]}, "parent": 1, "sampled": True}
        usage = {"usage": {"prompt_tokens": 9, "completion_tokens": 3}, "finish_reason": "stop"}
        rewards = {"correct": {"score": SCORES[i], "weight": 1.0}}
        return {"nodes": [*nodes, answer], "calls": [usage], "rewards": rewards, "ok": True}

    rows = [
        {
            "env": {"id": "e"},
            "task": {"type": "t", "data": {"idx": i, "answer": GOLDS[i]}},
            "traces": [trace(i)],
        }
        for i in range(len(TEXTS))
    ]
    return lines(folder / "traces.jsonl", *rows)


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "lmms-eval": lmms_eval,
    "lmms-eval, first releases": lmms_eval_first,
    "VLMEvalKit, tsv": vlmevalkit_tsv,
    "VLMEvalKit, json": vlmevalkit_json,
    "VLMEvalKit, xlsx": vlmevalkit_xlsx,
    "inspect_ai": inspect_ai,
    "verl": verl,
    "TRL": trl,
    "verifiers": verifiers,
    "verifiers, traces": verifiers_traces,
}
HAVE_PICTURES = ("VLMEvalKit, tsv", "inspect_ai", "verifiers", "verifiers, traces")
"""Layouts that hold the pictures; of the others, the two questions with the same words are ambiguous."""
