// Saves as most programs do: writeFileSync empties the file at once and then writes the new content into it.
//
// What the market-data gateway did whose fill log was 0 bytes long after a kill. The content goes out in one write(2),
// and a kill may come before it and inside it.
// Run: node direct.mjs DIR init, then node direct.mjs DIR

import { writeFileSync } from "node:fs";
import { run } from "./store.mjs";

run((path, state) => {
  writeFileSync(path, JSON.stringify(state));
});
