//! All public types can be sent to and shared with other threads.

use sse_kit_postgres::{
    OutboxError, PostgresConfig, PostgresConnectError, PostgresLog, PostgresStats, PostgresStatus,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(
    PostgresConnectError,
    OutboxError,
    PostgresConfig,
    PostgresLog,
    PostgresStats,
    PostgresStatus
);
