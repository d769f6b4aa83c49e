// Saves to a temporary file beside the real one and renames it over that: a kill leaves the old state or the new one.
//
// The repair that the published accounts have in common. It is for one writer, as the temporary's name is fixed, and
// against kills alone: nothing is synced, so that a power loss may still leave an empty file.
// Run: node atomic.mjs DIR init, then node atomic.mjs DIR

import { renameSync, writeFileSync } from "node:fs";
import { run } from "./store.mjs";

run((path, state) => {
  const temporary = `${path}.tmp`;
  writeFileSync(temporary, JSON.stringify(state));
  renameSync(temporary, path);
});
