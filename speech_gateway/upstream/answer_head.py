"""What is passed back of the head of the backend's answer."""

import re
from dataclasses import dataclass

from aiohttp import web

from ..errors import UpstreamError
from .response_parser import ResponseHead

_MEDIA_TYPE = re.compile(
    r"[\w.+-]+/[\w.+-]+(\s*;\s*[\w.+-]+=(\"[\w .+:/-]*\"|[\w.+:/-]+))*", re.ASCII
)
_RETRY_AFTER = re.compile(r"[\w ,:-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """The parts of the backend's head that are passed back."""

    status: int
    content_type: str | None
    retry_after: str | None


def answer_of(head: ResponseHead) -> Answer:
    """Return the parts of head that are passed back.

    Raises:
        UpstreamError: the answer must not be passed back.
    """
    if head.status == web.HTTPOk.status_code:
        _check_relayable(head)
    elif not 400 <= head.status < 600:
        raise UpstreamError(f"it answered {head.status}, which has no meaning here")
    return Answer(
        status=head.status,
        content_type=_matching(_MEDIA_TYPE, head.fields.get("content-type")),
        retry_after=_matching(_RETRY_AFTER, head.fields.get("retry-after")),
    )


def _check_relayable(head: ResponseHead) -> None:
    if not head.framed:
        raise UpstreamError("the answer has no length and no chunks: its end could not be told")
    if head.fields.get("content-encoding", "identity").lower() != "identity":
        raise UpstreamError("the answer is encoded, though identity was asked for")


def _matching(pattern: re.Pattern[str], value: str | None) -> str | None:
    return value if value is not None and pattern.fullmatch(value) else None
