"""The dispatcher of cjm_fasthtml_sse, measured as the contestants in Rust are.

Patterns come on stdin, one a line, the three that match first.
"""

import asyncio
import json
import statistics
import sys
import time

from cjm_fasthtml_sse.dispatcher import SSEEvent, SSEEventDispatcher


def dispatcher(patterns):
    made = SSEEventDispatcher()
    for pattern in patterns:
        made.add_handler(pattern, lambda event: event.data["percent"])
    return made


async def micros(made, event, batches, batch_ms):
    medians = []
    for _ in range(batches):
        start, calls = time.perf_counter(), 0
        while time.perf_counter() - start < batch_ms / 1000:
            handled = len(await made.dispatch(event))
            if handled != 3:
                sys.exit(f"{handled} handlers were called, not 3")
            calls += 1
        medians.append((time.perf_counter() - start) / calls * 1e6)
    return statistics.median(medians)


async def main():
    batches, batch_ms = int(sys.argv[1]), int(sys.argv[2])
    patterns = sys.stdin.read().split()
    event = SSEEvent("job:progress", {"percent": 40})
    alone = await micros(dispatcher(patterns[:3]), event, batches, batch_ms)
    start = time.perf_counter()
    made = dispatcher(patterns)
    await made.dispatch(event)
    setup = (time.perf_counter() - start) * 1e6
    among_all = await micros(made, event, batches, batch_ms)
    print(json.dumps({"micros": among_all, "micros_alone": alone, "setup_micros": setup}))


asyncio.run(main())
