//! Encryption in transit: off, preferred, required, one move at a time.

use super::Pass;
use super::step::Step;
use crate::desired::Tls;
use crate::observed::Group;

/// What the group does now.
pub(super) fn actual(group: &Group) -> Tls {
    match (group.transit_encryption, group.transit_encryption_mode.as_deref()) {
        (false, _) => Tls::Off,
        (true, Some("preferred")) => Tls::Preferred,
        (true, _) => Tls::Required,
    }
}

/// The next move. AWS refuses any while a token or user group is in place, so those go before TLS goes and come after it;
/// what is not to change is never sent, for the same reason.
pub(super) fn steps(pass: &Pass<'_>) -> Vec<Step> {
    let to = match (actual(pass.group), pass.desired.tls) {
        (Tls::Off, Tls::Preferred | Tls::Required) | (Tls::Required, Tls::Preferred | Tls::Off) => Tls::Preferred,
        (Tls::Preferred, Tls::Required) => Tls::Required,
        (Tls::Preferred, Tls::Off) => Tls::Off,
        (Tls::Off, Tls::Off) | (Tls::Preferred, Tls::Preferred) | (Tls::Required, Tls::Required) => return Vec::new(),
    };
    vec![Step::SetTransitEncryption { group: pass.group.id.clone(), from: actual(pass.group), to }]
}
