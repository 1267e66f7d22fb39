//! What each step does next, as tables.
