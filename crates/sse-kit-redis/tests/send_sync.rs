//! All public types can be sent to and shared with other threads.

use sse_kit_redis::{
    LogName, Member, MembersError, RedisConfig, RedisConnectError, RedisLog, RedisPresence,
    RedisStats, RedisStatus,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(
    RedisConnectError,
    LogName,
    Member,
    MembersError,
    RedisConfig,
    RedisLog,
    RedisPresence,
    RedisStats,
    RedisStatus,
);
