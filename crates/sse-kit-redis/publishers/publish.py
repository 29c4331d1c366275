"""Publishes to a hub of sse-kit from Python: publish.py PORT TOPIC DATA [EVENT]

It runs the script of the log, over a plain socket. With the package `redis`, `evaluate` is
`redis.Redis(port=port).eval(script, 3, *keys, *args)`."""
import pathlib, re, secrets, socket, sys, time

DEADLINE, PAUSE = 3, 0.05  # seconds
# Nothing was written, and the same append may succeed in a moment, or on another server.
LATER = set("""ASK BUSY CLUSTERDOWN FOREIGN LOADING MASTERDOWN MISCONF MOVED NOREPLICAS READONLY TRYAGAIN
    UNPROVEN WRONGTYPE""".split())

port, topic, data, name = (*sys.argv[1:], "")[:4]
script = (pathlib.Path(__file__).parent.parent / "src/append.lua").read_text()
once = secrets.token_hex(16)  # the same when it is tried again
event = (f"event: {name}\n" if name else "")
event += "".join(f"data: {line}\n" for line in re.split("\r\n|\r|\n", data))
keys = ["{sse-kit}:log", "{sse-kit}:meta", "{sse-kit}:once:" + once]
args = [topic, event, "", "", once, "100000", "120000", "", "0"]


def evaluate():
    command = [part.encode() for part in ["EVAL", script, "3", *keys, *args]]
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as redis:
        redis.sendall(b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%s\r\n" % (len(c), c) for c in command))
        return redis.recv(4096).decode().split("\r\n")


deadline = time.monotonic() + DEADLINE
reply = evaluate()
while reply[0].startswith("-") and LATER & set(re.findall(r"\w+", reply[0])):
    if time.monotonic() + PAUSE >= deadline:
        break
    time.sleep(PAUSE)
    reply = evaluate()
if not reply[0].startswith("*"):
    sys.exit(reply[0])
print(f"{reply[2]}-{reply[4]}")
