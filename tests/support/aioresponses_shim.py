"""Lets aioresponses 0.7.9 build the responses of aiohttp 3.14, whose constructor wants a `stream_writer`."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest.mock import Mock, patch

from aiohttp import ClientResponse
from aioresponses import aioresponses


@contextmanager
def faked_answers() -> Iterator[aioresponses]:
    """Answer every request of the block from what is registered; anything else finds the connection refused."""
    mended = partial(ClientResponse, stream_writer=Mock(output_size=0))
    with patch("aioresponses.core.ClientResponse", mended), aioresponses() as answers:
        yield answers
