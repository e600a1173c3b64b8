"""The section ``sids``."""

import pytest
from pydantic import ValidationError

from pipeline.sids.config import SidsConfig


def test_one_number_stands_for_every_level() -> None:
    assert SidsConfig().vocabulary_per_level == (256, 256, 256)


def test_a_list_gives_each_level_its_own() -> None:
    assert SidsConfig.model_validate({"levels": 2, "vocabulary": [64, 16]}).vocabulary_per_level == (64, 16)


def test_every_setting_has_a_sentence() -> None:
    assert all((field.description or "").endswith(".") for field in SidsConfig.model_fields.values())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"vocabulary": [64, 64]}, "vocabulary lists 2 levels, levels is 3"),
        ({"levels": 5, "vocabulary": 65_536}, r"more than 2\^64"),
        ({"vocabulary": 1}, "greater than or equal to 2"),
        ({"vocabulary": 65_537}, "less than or equal to 65536"),
        ({"balance": 1.1, "joint_rounds": 0}, "balance is 1.1 and joint_rounds 0"),
        ({"balance": 0.9}, "greater than or equal to 1"),
        ({"epsilon": -0.1}, "greater than or equal to 0"),
        ({"codes": 64}, "Extra inputs"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SidsConfig.model_validate(setting)
