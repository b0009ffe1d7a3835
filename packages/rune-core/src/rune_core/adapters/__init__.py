"""What every adapter to a framework is built from; for authors of adapters.

``walk`` has the questions an adapter asks and the answers it hears, ``guard`` carries them out,
``recent`` is the bounded map both sides remember things in. Nothing here knows a framework.
"""
