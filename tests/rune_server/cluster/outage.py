"""ClickHouse down for minutes under load, on a whole cluster: is every event there once afterwards?

    python -m tests.rune_server.cluster.outage [--minutes 5] [--agents 3]

Agents send to two edges all the time. ClickHouse is killed; meanwhile an edge is killed and started
again, and the management API is asked every second. Afterwards ClickHouse comes back, everything is
written, and each acknowledged event must be in the table and in the rollup exactly once.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rune_server.cluster.processes import Cluster
from tests.rune_server.cluster.senders import Sender
from tests.rune_server.cluster.stored import stored
from tests.rune_server.services import clickhouse_server, postgres_server, redis_server

if TYPE_CHECKING:
    import httpx
    from tests.rune_server.services import ClickHouse

BEFORE_SECONDS = 10.0
WRITTEN_SECONDS = 600.0


def ask_while_down(web: httpx.Client, seconds: float, cluster: Cluster) -> dict[str, float]:
    """Ask every second; kill an edge in the middle. How many were refused, the longest answer."""
    answers, longest = 0, 0.0
    began, killed = time.monotonic(), False
    while (passed := time.monotonic() - began) < seconds:
        if not killed and passed > seconds / 2:
            killed = True
            cluster.edges[0].kill()
            cluster.edges[0].launch()
            cluster.edges[0].wait()
        asked = time.monotonic()
        answer = web.get("/v1/stats")
        longest = max(longest, time.monotonic() - asked)
        if answer.status_code != 503 or "retry-after" not in answer.headers:
            raise SystemExit(f"while ClickHouse was down: {answer.status_code} {answer.text}")
        answers += 1
        time.sleep(1)
    return {"refused": answers, "longest_refusal_s": round(longest, 2)}


def run(cluster: Cluster, clickhouse: ClickHouse, minutes: float, agents: int) -> None:
    """The whole of it; prints what was found."""
    web = cluster.web.client()
    form = {"email": cluster.email, "password": cluster.password}
    if web.post("/sign-in", data=form).status_code != 303:
        raise SystemExit("the owner cannot sign in")
    senders = [Sender(cluster.edges, cluster.key, seed, pause=0.1) for seed in range(agents)]
    for sender in senders:
        sender.start()
    time.sleep(BEFORE_SECONDS)
    clickhouse.stop()
    found = ask_while_down(web, minutes * 60, cluster)
    clickhouse.start()
    back = time.monotonic()
    time.sleep(BEFORE_SECONDS)
    for sender in senders:
        sender.end()
    acknowledged = set[str]().union(*(sender.acknowledged for sender in senders))
    while not acknowledged <= set(stored(clickhouse)[0]):
        if time.monotonic() - back > WRITTEN_SECONDS:
            raise SystemExit("events were acknowledged and are not there")
        time.sleep(1)
    found["written_after_s"] = round(time.monotonic() - back, 1)
    time.sleep(5)
    ids, rolled = stored(clickhouse)
    found |= {
        "minutes_down": minutes,
        "acknowledged": len(acknowledged),
        "sent_again": sum(sender.again for sender in senders),
        "refused_events": sum(sum(sender.refused.values()) for sender in senders),
        "slowest_acknowledgement_s": round(max(sender.longest for sender in senders), 2),
        "rows": len(ids),
        "doubled": len(ids) - len(set(ids)),
        "lost": len(acknowledged - set(ids)),
        "rollup": rolled,
    }
    print(json.dumps(found), flush=True)
    if found["doubled"] or found["lost"] or rolled != len(ids) or not acknowledged:
        raise SystemExit("events were lost or doubled")
    web.close()


def main() -> None:
    """Start everything, run, stop everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--agents", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "redis").mkdir()
        with (
            postgres_server() as dsn,
            redis_server(folder / "redis") as redis,
            clickhouse_server(folder / "clickhouse") as clickhouse,
        ):
            cluster = Cluster(
                folder / "cluster",
                {
                    "RUNE_STATE_DSN": dsn,
                    "RUNE_REDIS_DSN": redis.url,
                    "RUNE_ANALYTICS_DSN": clickhouse.url,
                    "RUNE_LOG_LEVEL": "warning",
                },
            )
            try:
                cluster.start()
                run(cluster, clickhouse, options.minutes, options.agents)
            finally:
                cluster.stop()


if __name__ == "__main__":
    main()
