"""Sessions: what is remembered of one agent run. It never leaves the process."""
