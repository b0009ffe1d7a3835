"""How much is caught, how much that is harmless is flagged: `python -m benchmarks.detection`."""
