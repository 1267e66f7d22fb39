//! One HTTP request in, one out: finds the service, checks rights, injects faults, writes the journal.
