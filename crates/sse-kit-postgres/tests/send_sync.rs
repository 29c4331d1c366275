//! All public types can be sent to and shared with other threads.

use sse_kit_postgres::{
    ConnectError, OutboxError, PostgresConfig, PostgresLog, PostgresStats, PostgresStatus,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(
    ConnectError,
    OutboxError,
    PostgresConfig,
    PostgresLog,
    PostgresStats,
    PostgresStatus
);
