//! Encryption in transit: off, preferred, required, one move at a time.

use super::types::Pass;
use crate::desired::Tls;
use crate::step::Step;

/// The next move. AWS refuses any while a token or user group is in place, so those go before TLS goes and come after it;
/// what is not to change is never sent, for the same reason.
pub(super) fn steps(pass: &Pass<'_>) -> Vec<Step> {
    let to = match (pass.group.tls, pass.desired.tls) {
        (Tls::Off, Tls::Preferred | Tls::Required) | (Tls::Required, Tls::Preferred | Tls::Off) => Tls::Preferred,
        (Tls::Preferred, Tls::Required) => Tls::Required,
        (Tls::Preferred, Tls::Off) => Tls::Off,
        (Tls::Off, Tls::Off) | (Tls::Preferred, Tls::Preferred) | (Tls::Required, Tls::Required) => return Vec::new(),
    };
    vec![Step::SetTransitEncryption { group: pass.group.id.clone(), from: pass.group.tls, to }]
}
