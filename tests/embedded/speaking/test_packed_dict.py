"""A dictionary in little memory holds what it was made of."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_gateway.embedded.speaking import packed_dict
from speech_gateway.embedded.speaking.packed_dict import PackedDict

VALUES = st.none() | st.text() | st.floats(allow_nan=False) | st.dictionaries(st.text(), st.text())


@given(st.dictionaries(st.text(), VALUES))
def test_it_holds_what_it_was_made_of(mapping: dict[str, Any]) -> None:
    packed = PackedDict(mapping)

    assert {key: packed.get(key, "missing") for key in mapping} == mapping
    assert all(key in packed for key in mapping)


@given(st.dictionaries(st.text(), VALUES), st.text())
def test_it_holds_nothing_else(mapping: dict[str, Any], key: str) -> None:
    packed = PackedDict(mapping)

    assert (key in packed) == (key in mapping)
    assert packed.get(key, 7) == mapping.get(key, 7)


def test_keys_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_dict, "hash", lambda _: 1, raising=False)
    packed = PackedDict({"a": 1, "b": 2})

    assert (packed.get("a"), packed.get("b"), packed.get("c")) == (1, 2, None)
