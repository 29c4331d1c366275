"""To compare with: the library in Python that sse-kit follows, in a minimal FastHTML app.

One manager for each topic, as it has no topics of its own.

python server.py --listen 127.0.0.1:0
"""

import argparse
import socket

import uvicorn
from cjm_fasthtml_sse.core import SSEBroadcastManager
from fasthtml.common import EventStream, JSONResponse, Request, fast_app

app, route = fast_app()
managers: dict[str, SSEBroadcastManager] = {}


def manager_of(topic: str) -> SSEBroadcastManager:
    return managers.setdefault(topic, SSEBroadcastManager())


async def stream(manager: SSEBroadcastManager):
    queue = await manager.register_connection()
    try:
        yield ": open\n\n"  # the head is sent with the first bytes
        while True:
            message = await queue.get()
            yield f"event: {message['type']}\ndata: {message['data']['text']}\n\n"
    finally:
        await manager.unregister_connection(queue)


@route("/events", methods=["GET"])
async def events(topic: str = ""):
    return EventStream(stream(manager_of(topic)))


@route("/publish", methods=["POST"])
async def publish(request: Request):
    text = (await request.body()).decode()
    manager = manager_of(request.query_params.get("topic", ""))
    return JSONResponse({"receivers": await manager.broadcast("message", {"text": text})})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", default="127.0.0.1:8085")
    host, port = parser.parse_args().listen.split(":")
    listener = socket.create_server((host, int(port)), backlog=4096)
    print(f"listening on http://{host}:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_level="error", access_log=False, timeout_keep_alive=600)
    uvicorn.Server(config).run(sockets=[listener])
