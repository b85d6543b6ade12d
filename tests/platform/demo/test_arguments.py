"""Arguments of `make demo` are checked before anything is started."""

from __future__ import annotations

import pytest

from include.platform.demo.__main__ import main


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("2013-03-31", "'2013-03-31' is not a day of the demo; allowed are 2013-04-01 to 2013-09-30"),
        ("2013-10-01", "'2013-10-01' is not a day of the demo; allowed are 2013-04-01 to 2013-09-30"),
        ("yesterday", "'yesterday' is not a date; write it as 2013-04-01"),
    ],
)
def test_a_day_that_the_demo_cannot_begin_with_is_refused(
    day: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--from", day])
    assert message in capsys.readouterr().err
