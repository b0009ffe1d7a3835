"""AgentDojo's tasks replayed by a scripted agent through a guarded tool path, without any LLM.

``suites`` knows AgentDojo, ``replay`` knows the guard, ``texts`` knows what was cut, ``rows`` knows
which parts of the guard are on, ``report`` counts. Started by
``python -m benchmarks.agentdojo_replay``.
"""
