//! The keys that open data keys (seam `KeySource`): one provider a file.
