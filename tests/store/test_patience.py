"""A round that the database keeps from being done is told once, and nothing else is swallowed."""

import logging

import pytest

from appliance.domain.errors import RuntimeUnavailable, StoreBusy, StoreFull
from appliance.store.patience import Patience


def tell(caplog: pytest.LogCaptureFixture, *ends: Exception | None) -> list[str]:
    """What is logged of rounds that end so."""
    patience = Patience("the heartbeat")
    with caplog.at_level(logging.INFO):
        for end in ends:
            with patience:
                if end is not None:
                    raise end
            assert patience.waits == (end is not None)
    return [record.getMessage() for record in caplog.records]


def test_a_failure_is_told_when_it_begins_when_it_changes_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    busy, full = StoreBusy("held"), StoreFull("full")
    assert tell(caplog, None, busy, busy, full, full, None, None, busy) == [
        "the heartbeat: waits for the database: held",
        "the heartbeat: waits for the database: full",
        "the heartbeat: goes on",
        "the heartbeat: waits for the database: held",
    ]


def test_every_other_error_goes_its_way() -> None:
    with pytest.raises(RuntimeUnavailable), Patience("the heartbeat"):
        raise RuntimeUnavailable("away")
