// What the Node writers have in common: the store that they keep, and their side of the line protocol.
//
// `fills.json` holds the newest 550 fills of an account. An operation appends a fill and drops the oldest, so that the
// state after operation N follows from N alone: a checker makes it again and compares. A writer calls `run(save)`.

import { readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

export function stateAfter(n) {
  return { sequence: n, fills: Array.from({ length: 550 }, (_, i) => fill(n + i)) };
}

function fill(i) {
  const symbol = ["AAPL", "AMD", "MSFT", "NVDA", "TSLA"][i % 5];
  const cents = 10_000 + ((i * 7_919) % 90_000);
  const price = `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;
  return { id: `F-${String(i).padStart(6, "0")}`, symbol, side: "BUY", quantity: 100 + ((i * 37) % 900), price };
}

export function load(dir) {
  return JSON.parse(readFileSync(join(dir, "fills.json"), "utf8")); // damaged: an error, never an empty default
}

export function say(words) {
  writeSync(1, `crashtest: ${words}\n`); // at once, whatever stdout is
}

export function run(save) {
  const [dir, command] = process.argv.slice(2);
  const path = join(dir, "fills.json");
  if (command === "init") return writeFileSync(path, JSON.stringify(stateAfter(0))); // nothing crashes yet
  const { sequence } = load(dir);
  if (!Number.isSafeInteger(sequence)) throw new TypeError(`${path} has no sequence number`);
  say("ready");
  for (let n = sequence + 1; n <= sequence + 4; n++) {
    say(`begin ${n}`);
    save(path, stateAfter(n));
    say(`ack ${n}`);
  }
}
