//! The life of a token and who may log in: what the tags say about it (`state`), what an Update changes (`change`, and
//! `token` for the token itself), and what a rotation by Secrets Manager does next (`rotation`). Pure.
//!
//! ElastiCache takes up to two tokens and never tells which. ROTATE adds one to the last, SET makes the last the only
//! one. So tags on the subnet group, written before and after each call, hold what AWS does not tell:
//!
//! * `auth-token-source`: where the token in force comes from (a secret of ours, the template, a version of a
//!   external secret). Absent for a generated token in the usual secret. It holds hashes of names and ids of
//!   versions, nothing of a token.
//! * `auth-change`: the stage of a change under way, the version of the secret that it brings in, and
//!   `AuthTokenLastModifiedDate` when the stage began. When that date differs, the stage's call is through.
//!
//! `token` makes the changes of an update from these: name the version, store it as AWSPENDING, ROTATE, make
//! it AWSCURRENT, SET, record, done. A change that AWS has not begun is given up when the desired state changes; one
//! that it has begun is finished or taken back by ROTATE and SET, because a third token would push out the one that
//! readers have. That AWS takes a ROTATE to a token that it already knows is an assumption; only such a way back makes
//! one.
//!
//! `src/reconcile/rotate/` takes the steps of Secrets Manager the same way: observe, decide (`rotation`, pure), act, until the
//! step is done. A step that does not fit into its invocation fails and says what it waited for; Secrets Manager tries it
//! again. "Is the pending token live?" is answered by the tag that is written before the ROTATE, not by comparing the
//! date with the version's creation: the end of an earlier rotation's grace time changes the date too. Where the
//! function reaches the cache (`CACHE_NETWORK_ACCESS`), a test connection decides.
//!
//! * With `AuthTokenGraceMinutes` 0 the last step does the SET and waits for it. With more, the last step asks for an
//!   invocation that sleeps until the time is over, handing over to the next one before it ends (five for an hour),
//!   and then does the SET, unless another change came in between. Should that chain break, the old token works until
//!   the next rotation.
//! * What AWS may show late (the label or the value of the pending version, a tag, the right of a new role) does not
//!   end a step at once: it is observed again a few times within the invocation.
//! * What the secret says is for people to change. So the cache of a secret is found by the secret's name and
//!   description too, and the new version has everything of ours right again, along with the keys that others added.
//! * The grace time is a tag on the secret, because a rotation event has no properties.
//! * Only generated tokens are rotated on schedule. One of the template would be undone by the next update.
//! * An update leaves a scheduled rotation alone unless it changes the token itself. Then the pending version, if the
//!   cache takes it already, is given to readers first; the scheduled rotation finds its version no longer pending
//!   and ends.
//! * Tokens are cleared from memory when they are dropped, as far as they are ours: not the copies in requests of the
//!   AWS SDK and the redis client, and not the event that Lambda hands over.
//!
//! Keys that others add to the secret's JSON stay, in every new version of it. Keys of ours that are lost or of
//! another type (the console turns numbers into text) are put right by the next update. The password is changed only
//! on request: when it cannot be read any more, an update is refused, with the reason and the ways out, a rollback
//! leaves everything with a warning, and a changed `AuthTokenVersion` or another source of the token brings a new one.
//! A secret that is gone altogether gets a new token, because nothing is left to put back. A token of the template is
//! written again.
//!
//! AWS deletes no secret that has replicas in other regions. Replicas are somebody's decision, going by a call of its
//! own, and vanish without a recovery window. So a Delete leaves such a secret behind with a line in the log, an
//! update with a warning, and a stack of the same name takes it over.

pub(crate) mod change;
pub(crate) mod rotation;
pub(crate) mod token;
pub mod token_state;
