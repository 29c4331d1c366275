// Publishes to a hub of sse-kit from JavaScript: node publish.mjs PORT TOPIC DATA [EVENT]
//
// It runs the script of the log, over a plain socket. With the package `redis`, all from `command` on
// is `client.eval(script, { keys, arguments: args })`.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect } from "node:net";

const [port, topic, data, name = ""] = process.argv.slice(2);
const script = readFileSync(new URL("../src/append.lua", import.meta.url), "utf8");
const once = randomBytes(16).toString("hex"); // the same when it is tried again
const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
const event = (name && `event: ${name}\n`) + lines.join("");
const keys = ["{sse-kit}:log", "{sse-kit}:meta", `{sse-kit}:once:${once}`];
const args = [topic, event, "", "", once, "100000", "120000", "", "0"];
const command = ["EVAL", script, "3", ...keys, ...args];
const redis = connect(Number(port), "127.0.0.1");
redis.write(`*${command.length}\r\n` + command.map((c) => `$${Buffer.byteLength(c)}\r\n${c}\r\n`).join(""));
redis.once("data", (bytes) => {
  const reply = bytes.toString().split("\r\n");
  if (!reply[0].startsWith("*")) throw new Error(reply[0]);
  console.log(`${reply[2]}-${reply[4]}`);
  redis.end();
});
