//! Logs, metrics, spans.
