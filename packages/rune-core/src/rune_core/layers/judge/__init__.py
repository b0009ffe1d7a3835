"""Layer 3: a language model that is asked about what the other layers leave in doubt.

``settings`` → ``question`` (what is asked about, cut to size, secrets out) → ``prompt`` (how) →
``client`` (the request) → ``answer`` (what came back, read strictly) → ``judge`` (all of it, with
budget, breaker and cache from ``limits``). ``later`` asks after the fact.
"""
