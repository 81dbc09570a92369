"""Workflows a second, ours against the peers (benchmarks/peers): `make bench-throughput`.

lab.py has the servers, contestants.py who takes part, turns.py how one is measured, costs.py what else is counted.
"""
