from seethink.formats import BOX_JSON, FORMATS, TagFormat
from seethink.types import Example, Response
from seethink.verify import well_formed

EXAMPLE = Example(id="1", question="?")


def test_what_a_format_writes_is_well_formed():
    for format in FORMATS.values():
        stages = len(format.stages) if isinstance(format, TagFormat) else 1
        answer = "[1, 2, 3, 4]" if format is BOX_JSON else "2"
        score = well_formed(EXAMPLE, format.parse(format.write(["1 + 1"] * stages, answer)))
        assert score.value == 1.0, format.name


def test_the_fault_is_the_reason():
    score = well_formed(EXAMPLE, Response(text="", fault="<answer> occurs 2 times, not once"))
    assert (score.value, score.why) == (0.0, "<answer> occurs 2 times, not once")
