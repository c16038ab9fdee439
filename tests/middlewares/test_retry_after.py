"""When to come back: about as long as it takes, and not all at once."""

import pytest

from speech_gateway.middlewares.retry_after import LONGEST, SHORTEST, SPREAD, Pace, retry_after


def told(seconds: float, times: int = 1000) -> list[int]:
    return [int(retry_after(seconds)["Retry-After"]) for _ in range(times)]


@pytest.mark.parametrize("seconds", [0.0, 0.4, 1.0, 4.2, 20.0, 1e9])
def test_it_is_whole_seconds_within_bounds(seconds: float) -> None:
    assert all(SHORTEST <= after <= LONGEST for after in told(seconds))


@pytest.mark.parametrize("seconds", [0.4, 4.2, 20.0])
def test_nobody_is_to_come_back_too_early(seconds: float) -> None:
    assert min(told(seconds)) >= seconds


@pytest.mark.parametrize("seconds", [0.0, 1.0, 20.0, 1e9])
def test_a_thousand_clients_are_spread_over_seconds(seconds: float) -> None:
    assert len(set(told(seconds))) >= SPREAD


def test_the_pace_is_that_of_late() -> None:
    pace = Pace()
    for _ in range(100):
        pace.note(30.0)
    for _ in range(100):
        pace.note(0.2)

    assert pace.mean == pytest.approx(0.2, abs=0.01)


def test_the_first_slot_tells_the_pace() -> None:
    pace = Pace()

    pace.note(8.0)

    assert pace.mean == 8.0
