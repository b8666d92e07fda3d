"""A day is the same in every spelling, and what may be two days is none."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.types import Example, Response
from seethink.verify import by_name, same_answer
from seethink.verify.dates import CalendarDate, read_date, same_date
from tests.verify.judged import judged

ENGLISH = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
GERMAN = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
]
DAYS = st.dates(date(1000, 1, 1), date(2999, 12, 31))


def spellings(day: date) -> list[str]:
    """Of one day, in four countries, by its weekday, as ISO 8601."""
    name, german = ENGLISH[day.month - 1], GERMAN[day.month - 1]
    end = {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10 if day.day not in (11, 12, 13) else 0, "th")
    iso = f"{day.year:04}-{day.month:02}-{day.day:02}"
    return [
        *(iso, iso.replace("-", "/"), f"{day.year:04}.{day.month}.{day.day}"),
        *(
            f"{name} {day.day}, {day.year:04}",
            f"{day.day} {name} {day.year:04}",
            f"{name[:3]}. {day.day} {day.year:04}",
        ),
        *(f"{name} {day.day}{end}, {day.year:04}", f"the {day.day}{end} of {name}, {day.year:04}"),
        *(f"{day.day:02}.{day.month:02}.{day.year:04}", f"{day.day}. {german} {day.year:04}"),
        *(f"{day.year:04}年{day.month}月{day.day}日", f"{day:%A}, {name} {day.day}, {day.year:04}"),
    ]


@given(DAYS, DAYS)
def test_a_day_is_itself_in_every_spelling_and_no_other(day, other):
    for text in spellings(day):
        assert read_date(text) == CalendarDate(day.year, day.month, day.day), text
        assert judged(same_date, str(day), text).value == 1.0
        assert judged(same_date, str(other), text).value == float(day == other)


@given(DAYS)
def test_two_numbers_before_the_year_are_read_only_where_one_order_is_a_date(day):
    text = f"{day.day:02}/{day.month:02}/{day.year:04}"
    may_be_two = day.day <= 12 and day.day != day.month
    assert (read_date(text) is None) == may_be_two
    assert judged(same_date, text, text).value == 1.0
    assert judged(same_answer, text, text).value == 1.0
    score = judged(same_date, text, str(day))
    assert score.value is None if may_be_two else score.value == 1.0


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2025-02-29",
            "2025-13-01",
            "2025-00-10",
            "31 April 2025",
            "03/04/2025",
            "1/3/25",
            "2025",
            "March",
            "May",
        ),
        *(
            "Sunday, March 1, 2025",
            "March 1 or 2, 2025",
            "2025-03-01 to 2025-03-05",
            "not 2025-03-01",
            "5 m",
            "3/4",
        ),
        *("", "2025-03/01", "March 32", "mar", "1.2.3", "12:30", "version 2025.03", "March 1, 25"),
    ],
)
def test_what_is_no_one_day_is_unread(text):
    assert read_date(text) is None


def test_a_month_is_not_a_day_of_it():
    assert read_date("March 2025") == read_date("2025-03") == CalendarDate(2025, 3, None)
    assert read_date("29 February") == CalendarDate(None, 2, 29)
    assert judged(same_date, "March 2025", "March 1, 2025").value == 0.0
    assert judged(same_date, "March 1", "March 1, 2025").value == 0.0


def test_rows_with_dates_are_judged_by_auto():
    example = Example("1", "When?", answer="2023-05-01")
    for answer, paid in (("May 1, 2023", 1.0), ("1 May 2023", 1.0), ("May 2, 2023", 0.0), ("2022", 0.0)):
        assert by_name("auto")(example, Response(answer, answer=answer)).value == paid


@given(st.text(alphabet="0123456789/-. ,marchytuesdyof年月日thJ", max_size=50))
def test_any_text_is_read_or_left(text):
    read_date(text)
