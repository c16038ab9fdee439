"""Multipart bodies: their parts come out, wherever the bytes are split, or a refusal for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_gateway.server.multipart import (
    HEAD_LIMIT,
    PADDING_LIMIT,
    PREAMBLE_LIMIT,
    Event,
    MultipartError,
    MultipartReader,
    PartBegin,
    PartData,
    PartEnd,
)

TYPE = "multipart/form-data; boundary=b"
HEAD = b'Content-Disposition: form-data; name="a"'
TOO_PADDED = b"x\r\n--b" + b" " * (PADDING_LIMIT + 1)
TOKENS = [
    *(b"--b", b"--b\r\n", b"--b--", b"\r\n", b"\r", b"\n", b"-", b" ", b"\t", b":", b"b", b"\0"),
    *(HEAD, b'form-data; name="', b"name*=utf-8''a", b"\xd0\xb6", b"\x80", b"\r\n\r\n", b"\r\n b"),
]


def read(*pieces: bytes, content_type: str = TYPE) -> list[Event | str]:
    """Return what pieces tell, a part's data as one; what refuses them stands last."""
    told: list[Event | str] = []
    reader = MultipartReader(content_type)
    try:
        for piece in pieces:
            for event in reader.feed(piece):
                last = told[-1] if told else None
                if isinstance(event, PartData) and isinstance(last, PartData):
                    told[-1] = PartData(last.data + event.data)
                else:
                    told.append(event)
        reader.finish()
    except MultipartError as error:
        told.append(str(error))
    return told


def bodies(told: list[Event | str]) -> list[bytes]:
    """Return the parts' bodies; what was told must be whole parts."""
    found: list[bytes] = []
    for event in told:
        assert not isinstance(event, str), event
        if isinstance(event, PartBegin):
            found.append(b"")
        elif isinstance(event, PartData):
            found[-1] += event.data
    return found


def test_a_part_is_told_as_it_comes() -> None:
    reader = MultipartReader(TYPE)

    told = [list(reader.feed(piece)) for piece in (b"--b\r\n" + HEAD + b"\r\n\r\nx", b"y\r", b"\n")]

    begin = PartBegin("a", len(HEAD))
    assert told == [[begin, PartData(b"x")], [PartData(b"y")], []]
    assert list(reader.feed(b"--b--")) == [PartEnd()]
    assert reader.ended


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"--b--", []),
        (b"--b--\r\nan epilogue\r\n--b\r\n", []),
        (b"a preamble\r\n--b\r\n\r\nx\r\n--b--", [b"x"]),
        (b"\r\n--b\r\n\r\nx\r\n--b--", [b"x"]),
        (b"--b \t\r\n\r\nx\r\n--b \r\n\r\ny\r\n--b-- \r\n", [b"x", b"y"]),
        (b"--b\r\n\r\n--b\r\n" + HEAD + b"\r\n\r\n--b--", [b"", b""]),
        (b"--b\r\n\r\n\r\n--b--", [b""]),
        (b"--b\r\n\r\n--bx\r\n--b-x\r\n--b--", [b"--bx\r\n--b-x"]),
        (b"--b\r\n\r\nx\n--b\r\r\n--b--", [b"x\n--b\r"]),
        (b"--b\r\n\r\n" + TOO_PADDED + b"\r\n--b--", [TOO_PADDED]),
    ],
    ids=[
        *("empty", "an epilogue", "a preamble", "an empty preamble", "white space"),
        *("no body", "an empty body", "nearly a boundary", "line feeds alone", "much white space"),
    ],
)
def test_bodies_as_rfc_2046_has_them(body: bytes, found: list[bytes]) -> None:
    assert bodies(read(body)) == found


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (HEAD, "a"),
        (b"content-disposition:form-data;name=a", "a"),
        (b'Content-Disposition: form-data;\r\n\tname="a"\r\nX: y', "a"),
        ('Content-Disposition: form-data; name="\u0436"'.encode(), "\u0436"),
        (b'Content-Disposition: form-data; name="a\\"b"', 'a"b'),
        (b'Content-Disposition: form-data; filename="; name=x"; name="a"', "a"),
        (b"Content-Disposition: form-data; name*=utf-8''a", ""),
        (b'Content-Disposition: form-data; name="\x80"', "\ufffd"),
        (b"Content-Type: text/plain", ""),
        (b"", ""),
    ],
)
def test_a_part_has_the_name_that_its_header_says(head: bytes, name: str) -> None:
    told = read(b"--b\r\n" + head + b"\r\n" * bool(head) + b"\r\nx\r\n--b--")

    assert told == [PartBegin(name, len(head)), PartData(b"x"), PartEnd()]


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=\udc80",
        "multipart/form-data; boundary=\u0436",
        "multipart/form-data; boundary=" + "a" * 257,
        "multipart/form-data",
        'multipart/form-data; boundary=""',
    ],
)
def test_a_boundary_that_cannot_be_one_is_refused(content_type: str) -> None:
    with pytest.raises(MultipartError, match="must name the body's boundary"):
        MultipartReader(content_type)


@pytest.mark.parametrize("content_type", ["", "text/plain; boundary=b", "multipart/mixed"])
def test_another_type_is_refused(content_type: str) -> None:
    with pytest.raises(MultipartError, match="must be multipart/form-data"):
        MultipartReader(content_type)


@pytest.mark.parametrize(
    "boundary",
    ["*****", '"a:b c"', "----WebKitFormBoundaryu7ko", "a" * 256, "b; charset=\udc80", '"b "'],
)
def test_boundaries_as_clients_make_them_are_taken(boundary: str) -> None:
    plain = boundary.partition(";")[0].strip('"').rstrip().encode()
    content_type = f"Multipart/Form-Data; boundary={boundary}"

    assert read(b"--" + plain + b"--", content_type=content_type) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "none of the boundaries"),
        (b"no form at all", "none of the boundaries"),
        (b"--b\r\n" + HEAD, "ended before its last boundary"),
        (b"--b\r\n\r\nx\r\n--b", "ended before its last boundary"),
        (b"--b\r\nno header\r\n\r\n", "must be 'Name: value'"),
        (b"--b\r\n: x\r\n\r\n", "must be 'Name: value'"),
        (b"--b\r\n folded: x\r\n\r\n", "must be 'Name: value'"),
        (b"--b\r\na: x\ny\r\n\r\n", "must be 'Name: value'"),
        (b"--b\r\na: " + b"x" * HEAD_LIMIT + b"\r\n\r\n", f"over {HEAD_LIMIT} bytes"),
    ],
)
def test_a_malformed_body_is_refused_with_a_sentence(body: bytes, said: str) -> None:
    refusal = read(body)[-1]

    assert isinstance(refusal, str)
    assert said in refusal


def test_a_header_of_exactly_the_limit_is_taken() -> None:
    head = b"a: " + b"x" * (HEAD_LIMIT - 3)

    assert read(b"--b\r\n" + head + b"\r\n\r\n--b--") == [PartBegin("", HEAD_LIMIT), PartEnd()]


@given(st.lists(st.sampled_from(TOKENS) | st.binary(max_size=3), max_size=30), st.data())
def test_whatever_comes_is_parts_or_a_refusal_wherever_it_is_split(
    tokens: list[bytes], data: st.DataObject
) -> None:
    body = b"--b\r\n" * data.draw(st.booleans()) + b"".join(tokens)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=4)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]

    whole = read(body)

    assert read(*pieces) == whole
    assert read(*(body[at : at + 1] for at in range(len(body)))) == whole


@given(st.text() | st.text("multipart/form-data; boundary=\"'*\\ab\udc80"))
def test_whatever_the_type_is_it_is_taken_or_refused(parameters: str) -> None:
    for content_type in (parameters, f"multipart/form-data; {parameters}"):
        try:
            MultipartReader(content_type)
        except MultipartError:
            continue


def test_what_is_no_form_is_not_read_to_its_end() -> None:
    reader = MultipartReader("multipart/form-data; boundary=b")
    list(reader.feed(bytes(PREAMBLE_LIMIT - 2)))  # less the end of a line that is taken for granted

    with pytest.raises(MultipartError, match="none of the boundaries"):
        list(reader.feed(bytes(1024)))
