"""When the backend counts as gone: by looks alone, without a network."""

import pytest

from speech_gateway.upstream.backend_state import (
    LOOKS_APART,
    QUIET,
    BackendState,
    Problem,
    Reason,
)

UNREACHABLE = Problem(Reason.UNREACHABLE, "it cannot be reached")
TIMEOUT = Problem(Reason.TIMEOUT, "it does not answer in time")


@pytest.fixture
def state() -> BackendState:
    return BackendState()


def test_it_is_not_ready_before_a_look(state: BackendState) -> None:
    assert (state.ready, state.gone) == (False, False)


def test_one_look_that_timed_out_is_enough(state: BackendState) -> None:
    state.look_begins(0.0)
    state.look_ended(TIMEOUT, began=1.0)

    assert state.gone


def test_a_byte_that_came_meanwhile_is_a_sign_of_life(state: BackendState) -> None:
    state.look_begins(0.0)
    state.signs.seen = True
    state.look_ended(TIMEOUT, began=1.0)

    assert not state.gone
    assert not state.ready


def test_a_saturated_backend_that_gave_a_sign_just_before_gets_another_look(
    state: BackendState,
) -> None:
    state.signs.seen = True
    state.look_begins(10.0)
    state.look_ended(TIMEOUT, began=10.0)
    assert not state.gone

    state.look_begins(10.0 + QUIET)
    state.look_ended(TIMEOUT, began=10.0 + QUIET)

    assert state.gone


@pytest.mark.parametrize(("apart", "gone"), [(LOOKS_APART, True), (LOOKS_APART / 2, False)])
def test_a_backend_that_cannot_be_reached_gets_the_time_of_a_restart(
    state: BackendState, apart: float, gone: bool
) -> None:
    state.look_ended(UNREACHABLE, began=10.0)
    assert not state.gone

    state.look_ended(UNREACHABLE, began=10.0 + apart)

    assert state.gone is gone


def test_an_answer_between_two_looks_begins_the_count_anew(state: BackendState) -> None:
    state.look_ended(UNREACHABLE, began=10.0)
    state.answered()
    state.look_ended(UNREACHABLE, began=10.0 + LOOKS_APART)

    assert not state.gone


@pytest.mark.parametrize(
    "reason", [Reason.TOKEN_REFUSED, Reason.UNHEALTHY, Reason.WRONG_PIPELINE], ids=str
)
def test_a_backend_that_only_refuses_is_not_gone(state: BackendState, reason: Reason) -> None:
    for began in (10.0, 20.0, 30.0):
        state.look_ended(Problem(reason, "it refuses"), began=began)

    assert (state.ready, state.gone) == (False, False)


def test_it_stays_gone_when_a_hung_one_has_died(state: BackendState) -> None:
    state.look_ended(TIMEOUT, began=10.0)
    state.look_ended(UNREACHABLE, began=10.0 + LOOKS_APART / 2)

    assert state.gone


@pytest.mark.parametrize("found", [None, Problem(Reason.UNHEALTHY, "it answers 503")])
def test_a_look_that_was_answered_brings_it_back(
    state: BackendState, found: Problem | None
) -> None:
    state.look_ended(TIMEOUT, began=10.0)
    state.look_ended(found, began=20.0)

    assert not state.gone
    assert state.ready is (found is None)


def test_an_answer_to_a_call_brings_it_back_and_wants_a_look(state: BackendState) -> None:
    state.look_ended(TIMEOUT, began=10.0)
    state.answered()

    assert not state.gone
    assert state.suspected.is_set()


def test_who_watches_is_told_of_changes_alone(state: BackendState) -> None:
    told: list[bool] = []
    state.watchers.append(lambda: told.append(state.gone))
    state.begin_telling()
    told.clear()

    for problem in (None, None, TIMEOUT, TIMEOUT, None):
        state.look_ended(problem, began=1.0)

    assert told == [False, True, False]
