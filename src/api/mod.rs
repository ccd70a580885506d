//! Custom resources `Repository`, `Sync`, `Warrant`: one a file, no behaviour.
