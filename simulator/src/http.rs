//! Loopback HTTP server around the gateway.
