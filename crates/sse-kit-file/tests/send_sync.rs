//! All public types can be sent to and shared with other threads.

use sse_kit_file::{FileConfig, FileLog, FileOpenError, FileStats, FileStatus, SyncMode};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(FileConfig, FileLog, FileStats, FileStatus, FileOpenError, SyncMode);
