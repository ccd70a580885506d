//! Flags, environment and file, parsed once.
