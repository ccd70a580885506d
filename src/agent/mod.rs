//! The agent: one turn per Sync.
