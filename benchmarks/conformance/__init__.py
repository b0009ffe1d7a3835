"""The frameworks' own test-suites, run with and without a guard, and what differs."""
