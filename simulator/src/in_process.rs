//! The gateway as the HTTP client of an AWS SDK, in process.
