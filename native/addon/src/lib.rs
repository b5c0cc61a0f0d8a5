//! The export table between the data plane and JavaScript; no logic.
