//! The life of a token and who may log in: what the tags say about it (`state`), what an Update changes (`change`, and
//! `token` for the token itself), and what a rotation by Secrets Manager does next (`rotation`). Pure.

pub(crate) mod change;
pub(crate) mod rotation;
pub mod state;
pub(crate) mod token;
