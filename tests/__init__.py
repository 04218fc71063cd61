"""Tests: they mirror the package, plus standards/, repository/ and benchmarks/."""
