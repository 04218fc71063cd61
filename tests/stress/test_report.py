"""What the README says of the load is what was measured."""

import pytest

from tests.stress.report import format_stress

KIND = {"statuses": {"0": 2, "200": 5}, "p50_s": 0.76, "p95_s": 1.62, "p99_s": 3.52}
TOLD = {
    "nights_with_key": 89,
    "by_kind": {
        "single": KIND,
        "night": KIND,
        "slow": KIND,
        "flood": KIND | {"statuses": {"200": 8, "429": 92}},
        "refused": {"statuses": {"429": 25}, "p50_s": 0.05, "p95_s": 0.07, "p99_s": 0.104},
    },
}
VALUES = {"stress.lost": 0.0, "stress.double": 1.0, "stress.failed_on_swap": 2.0, "stress.memory_growth": 3.65}


@pytest.mark.parametrize(
    "line",
    [
        "Nights asked for: 89. Lost, or answered otherwise than by offline scoring: 0; scored twice: 1;",
        "requests that failed while adapters changed, a broken one among them: 2. Memory grew by 3.6 % (bar 5).",
        "| single epochs | 5 | 0.8 s | 1.6 s | 3.5 s |",
        "| one request too many (bar 100 ms) | 25 | 50 ms | 70 ms | 104 ms |",
        "| of a hundred at once, those that were let in | 8 | 0.8 s | 1.6 s | 3.5 s |",
    ],
)
def test_losses_and_times_stand_in_the_readme_as_they_were_measured(line):
    assert line in format_stress(TOLD, VALUES).splitlines()
