"""The log: one event a line, no secrets."""

import io
import logging
import re
from collections.abc import Iterator

import pytest

from appliance import log, problem


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    log.set_up("info", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def refuse(message: str) -> None:
    raise ValueError(message)


def test_an_event_is_one_line_of_keys_and_values_in_utc(lines: io.StringIO) -> None:
    logging.getLogger("appliance.engine").info("pulled", extra={"deployment": "dep_1", "ms": 8})
    assert re.fullmatch(
        r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info logger=appliance\.engine "
        r"event=pulled deployment=dep_1 ms=8\n",
        lines.getvalue(),
    )


def test_values_that_would_break_the_line_are_quoted(lines: io.StringIO) -> None:
    logging.getLogger("x").warning('two words\nand "lines"', extra={"empty": "", "sum": "a=b"})
    assert lines.getvalue().endswith(
        'level=warning logger=x event="two words\\nand \\"lines\\"" empty="" sum="a=b"\n'
    )


def test_a_tokens_secret_never_reaches_the_log(lines: io.StringIO) -> None:
    token = "nn_4k2v9xq0m7ab_S3cr3t-part_of_it"
    try:
        refuse(f"bad {token}")
    except ValueError:
        logging.getLogger("x").exception("Bearer %s", token, extra={"header": token})
    assert lines.getvalue().count("nn_4k2v9xq0m7ab_***") == 3
    assert "S3cr3t" not in lines.getvalue()


def test_an_exception_stays_on_its_line_with_its_error_id(lines: io.StringIO) -> None:
    try:
        refuse("no")
    except ValueError:
        logging.getLogger("x").exception("failed", extra={"errorId": "err_1"})
    (line,) = lines.getvalue().splitlines()
    assert "errorId=err_1" in line
    assert "ValueError: no" in line


def test_below_the_level_nothing_is_written_and_chatty_libraries_stay_quiet(
    lines: io.StringIO,
) -> None:
    logging.getLogger("x").debug("detail")
    logging.getLogger("httpx").info("HTTP Request: GET")
    assert lines.getvalue() == ""


def test_a_flood_of_problems_of_one_code_is_cut_off_and_hides_no_other(lines: io.StringIO) -> None:
    def tell(minute: int, code: str, **more: object) -> None:
        told = {"name": log.PROBLEMS, "levelno": logging.INFO, "created": 60 * minute, "code": code}
        logging.getLogger(log.PROBLEMS).handle(logging.makeLogRecord(told | more))

    for number in range(3 * log.PROBLEMS_A_MINUTE):
        tell(1, "not_found", errorId=f"err_{number}")
    tell(1, "invalid_request")
    tell(1, "not_found", exc_info=(ValueError, ValueError("a defect"), None))
    tell(2, "not_found")
    *first, last, other, defect, next_minute = lines.getvalue().splitlines()
    assert len(first) == log.PROBLEMS_A_MINUTE - 1
    assert "next minute" not in "".join(first)
    assert 'more="not told until the next minute"' in last
    assert "code=invalid_request" in other
    assert "a defect" in defect
    assert "code=not_found" in next_minute


def test_what_is_bounded_is_what_tells_of_problems() -> None:
    assert problem.log.name == log.PROBLEMS
