"""A guarded client on any OpenAI-compatible endpoint.

Set OPENAI_API_KEY and, for other servers than OpenAI's, OPENAI_BASE_URL and OPENAI_MODEL. Then:
uv run python examples/openai_compatible.py "What is the capital of France?"
"""

from __future__ import annotations

import os
import sys

from rune_openai import OpenAIBlockedError, ShieldOpenAI


def main() -> None:
    question = " ".join(sys.argv[1:]) or "Say hello in three languages."
    if not os.environ.get("OPENAI_API_KEY"):
        raise SystemExit("set OPENAI_API_KEY (and OPENAI_BASE_URL for another server) first")
    client = ShieldOpenAI(agent_id="example")
    try:
        stream = client.chat.completions.create(
            model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
            messages=[{"role": "user", "content": question}],
            stream=True,
        )
        for chunk in stream:
            if chunk.choices:
                print(chunk.choices[0].delta.content or "", end="", flush=True)
        print()
    except OpenAIBlockedError as error:
        print(f"Stopped: {error}")


if __name__ == "__main__":
    main()
