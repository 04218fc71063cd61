"""Benchmarks: `bench_<area>.py` files, each with `measure() -> list[dict]`.

A row has `name` (area.measure), `value`, `unit`, `higher_is_better` (or None, where only a band
is right), `bar` (such as '>= 100', '<= 45', '0.65..0.82', or None) and, where the value is a
ratio, `ratio_to`. `python -m tests.benchmarks` measures all areas, `python -m tests.benchmarks
render` one.
"""
