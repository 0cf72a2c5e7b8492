"""Benchmarks, run by hand: see tests/README.md."""
