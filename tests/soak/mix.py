"""What the soak's clients do, and how often: parts of the whole."""

from tests.soak.books import Client
from tests.soak.clients import (
    broken_off,
    listener,
    refused,
    refused_by_backend,
    reset_by_backend,
    speaker,
    two_on_a_connection,
)
from tests.soak.hostile import (
    answered_early,
    bad_chunk,
    dripped_head,
    dubious_head,
    half_closer,
    idler,
    leaver,
    leaver_before_the_head,
    mute_backend,
    no_request,
    pipeliner,
    stalled_reader,
    stalled_upload,
    unbelievable_length,
    wants_to_be_asked,
)

MIX: list[tuple[float, Client]] = [
    (45, speaker),
    (10, two_on_a_connection),
    (12, listener),
    (4, refused_by_backend),
    (3, reset_by_backend),
    (3, broken_off("badchunk")),
    (3, broken_off("cut")),
    (3, answered_early),
    (3, refused(415, {"Content-Type": "image/png"}, b"x")),
    (3, refused(413, {}, b"x" * 5000)),
    (2, refused(400, {}, b"")),
    (2, refused(405, {}, b"", "DELETE")),
    (1, wants_to_be_asked),
    (4, leaver),
    (3, leaver_before_the_head),
    (1, half_closer),
    (2, bad_chunk),
    (1, pipeliner),
    (1, dubious_head),
    (1, unbelievable_length),
    (1, no_request),
    # Rare, for each takes a slot or a client for as long as a timeout.
    (0.05, stalled_upload),
    (0.05, stalled_reader),
    (0.05, mute_backend),
    (0.2, dripped_head),
    (0.2, idler),
]
