"""An id is found in words as raw files, CSV and JSON spell it, and only as a whole."""

import pytest

from flows.maintenance.mentions import Mention
from flows.refresh.forgotten_rows import BLANK

REFUSED = "log: 7 of 60 rows of delivery 7.csv were rejected, first at 7.csv:7: {}; mend the file"


@pytest.mark.parametrize(
    ("raw_id", "quoted", "blanked"),
    [
        ("7", "7,17,x,1", f"{BLANK},17,x,1"),
        ("usr-7", "usr-7,usr-77,x", f"{BLANK},usr-77,x"),
        ("eu|usr-7", "1,eu,usr-7,us,usr-7", f"1,{BLANK},us,usr-7"),
        ('us"r10', '"us""r10",1', f'"{BLANK}",1'),
        ('us"r10', r'{"user":"us\"r10"}', f'{{"user":"{BLANK}"}}'),
    ],
)
def test_quoted_row_loses_the_id_and_the_counts_stay(raw_id: str, quoted: str, blanked: str) -> None:
    number = int(raw_id) if raw_id.isdecimal() else 2**60
    assert Mention(raw_id, number).blanked(REFUSED.format(quoted)) == REFUSED.format(blanked)


def test_number_in_a_message_that_quotes_no_row_is_a_count() -> None:
    assert Mention("7", 7).blanked("7 vectors are not 8 long") == "7 vectors are not 8 long"
