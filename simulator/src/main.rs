//! The program: a local AWS on a loopback port, and the demo.
fn main() {}
