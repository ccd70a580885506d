//! Plans: what to apply, what to prune, in which order. Pure.
