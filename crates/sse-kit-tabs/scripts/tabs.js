// One connection to the server for all tabs of a browser. The page and the SharedWorker load the same file,
// so their versions always match.

import { startPage } from './page.js';
import { startWorker } from './worker.js';

if (globalThis.document) startPage();
else startWorker();
