// Says in one line of the protocol what a writer would find in a directory if it started now.
//
// It loads as the writers do. What loads must be exactly the state after the operation whose number it carries.
// Run: node check.mjs DIR

import { isDeepStrictEqual } from "node:util";
import { load, say, stateAfter } from "./store.mjs";

function found(dir) {
  let state;
  try {
    state = load(dir);
  } catch (damage) {
    return `refused ${damage.message.replace(/[^ -~]+/g, "?")}`; // it quotes the file, which may hold anything
  }
  const n = state?.sequence;
  if (!Number.isSafeInteger(n)) return "garbage without a sequence number";
  if (!isDeepStrictEqual(state, stateAfter(n))) return `garbage numbered ${n}, which is not what operation ${n} made`;
  return `state ${n}`;
}

say(found(process.argv[2]));
