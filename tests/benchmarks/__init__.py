"""Benchmarks on real seasons: ``python -m tests.benchmarks`` (README.md beside this file)."""
