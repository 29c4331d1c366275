//! See `benches`: `cargo xtask bench --check` runs them.
