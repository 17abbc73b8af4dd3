"""A month of quota in seconds: never over, never idle, live work at once, whatever goes wrong meanwhile."""

from __future__ import annotations

import pytest

from tests.simulation.quota_month import lived, replay
from tests.simulation.verdict import faults


@pytest.mark.parametrize("seed", [4])
def test_a_month_is_as_it_must_be(seed: int) -> None:
    month = lived(seed)
    assert not faults(month), replay(month)


def test_a_whole_day_with_the_limits_of_a_grown_app_is_as_it_must_be() -> None:
    month = lived(9)
    assert not faults(month), replay(month)
