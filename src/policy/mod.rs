//! Policy: what may be applied at all. Sealed leaves only in Secret data, nothing of the agent's own.
