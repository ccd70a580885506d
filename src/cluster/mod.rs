//! The cluster seam: survey, server-side apply, prune.
