// Publishes to a hub of sse-kit from JavaScript: node publish.mjs PORT TOPIC DATA [EVENT]
//
// It runs the script of the log, over a plain socket. With the package `redis`, `evaluate` is
// `client.eval(script, { keys, arguments: args })`.
import { randomBytes } from "node:crypto";
import { once as next } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const [DEADLINE, PAUSE] = [3000, 50]; // milliseconds
// Nothing was written, and the same append may succeed in a moment, or on another server.
const LATER = new RegExp(
  "\\b(ASK|BUSY|CLUSTERDOWN|FOREIGN|LOADING|MASTERDOWN|MISCONF|MOVED|NOREPLICAS|READONLY|TRYAGAIN|UNPROVEN|WRONGTYPE)\\b",
);

const [port, topic, data, name = ""] = process.argv.slice(2);
const script = readFileSync(new URL("../src/append.lua", import.meta.url), "utf8");
const once = randomBytes(16).toString("hex"); // the same when it is tried again
const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
const event = (name && `event: ${name}\n`) + lines.join("");
const keys = ["{sse-kit}:log", "{sse-kit}:meta", `{sse-kit}:once:${once}`];
const args = [topic, event, "", "", once, "100000", "120000", "", "0"];

async function evaluate() {
  const command = ["EVAL", script, "3", ...keys, ...args];
  const redis = connect(Number(port), "127.0.0.1");
  redis.write(`*${command.length}\r\n` + command.map((c) => `$${Buffer.byteLength(c)}\r\n${c}\r\n`).join(""));
  const [bytes] = await next(redis, "data");
  redis.destroy();
  return bytes.toString().split("\r\n");
}

const deadline = Date.now() + DEADLINE;
let reply = await evaluate();
while (reply[0].startsWith("-") && LATER.test(reply[0]) && Date.now() + PAUSE < deadline) {
  await sleep(PAUSE);
  reply = await evaluate();
}
if (!reply[0].startsWith("*")) throw new Error(reply[0]);
console.log(`${reply[2]}-${reply[4]}`);
