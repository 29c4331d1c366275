// One connection to the server for all tabs of a browser. A page loads this, and a SharedWorker too,
// from the same file: so the one always knows what the other says.

import { startPage } from './page.js';
import { startWorker } from './worker.js';

if (globalThis.document) startPage();
else startWorker();
