"""How many secrets and personal data the rules find, and how often they cry wolf.

Values are generated from the published formats, never from the rules' patterns, and placed in
texts of many kinds. ``python -m benchmarks.secrets_pii.run`` prints the figures.
"""
