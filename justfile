# `just` lists the tasks. Everything CI runs is in .ci/run.

default:
    @just --list

# Format and mend what can be mended
fix:
    uv run ruff format .
    uv run ruff check --fix .

# Format, lint, types, import contracts
check:
    uv run ruff format --check .
    uv run ruff check .
    uv run mypy
    uv run lint-imports

# Tests and executed docs
test *args:
    uv run pytest {{args}}

# The rules' own cases, on both engines
rules *args:
    uv run rune rules test --engine both {{args}}

# The demo
demo:
    uv run rune demo

# What CI runs
ci:
    bash .ci/run

# The long runs (speed, detection, secrets)
soak what="all":
    bash .ci/soak {{what}}
