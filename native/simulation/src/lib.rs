//! Whole clusters in one thread: world, faults, checkers.
