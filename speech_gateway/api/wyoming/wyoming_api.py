"""Wyoming: what it adds to the application, which is nothing but names for the metrics."""

from ..base import Api
from .wyoming_endpoints import HEARD, SPOKEN


class WyomingApi(Api):
    """Has no routes: its clients connect to a listener of its own."""

    endpoints = (SPOKEN, HEARD)
