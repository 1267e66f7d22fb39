//! A Create. Calls AWS.

use tracing::info;

use super::run::{Converged, Run, check};
use crate::desired::{Desired, Purpose, References, Removal};
use crate::domain::tags::Owner;
use crate::error::Error;
use crate::plan::Transition;
use crate::properties::Parsed;

impl Run<'_> {
    /// Brings the account to what a Create wants.
    ///
    /// # Errors
    /// Everything that is wrong with the properties and what they name, or what AWS refused. When a Delete removed meanwhile
    /// what this run was making, the run removes what that Delete did not see, because none will follow.
    pub async fn create(&mut self, parsed: &Parsed, owner: &Owner) -> Result<(Desired, Converged), Error> {
        let desired = self.wanted_at_creation(parsed, owner).await?;
        let id = &desired.names.replication_group;
        let removal = Removal::new(parsed, owner, id, self.fence.request().as_str());
        let converged = Box::pin(self.make(Transition::new(&desired), removal.clone())).await;
        if converged.is_err() && self.removed_meanwhile {
            self.remove_all(&removal).await?;
        }
        Ok((desired, converged?))
    }

    /// A legal desired state from the properties of a Create.
    ///
    /// # Errors
    /// Everything that is wrong with the properties and what they name.
    pub(super) async fn wanted_at_creation(&mut self, parsed: &Parsed, owner: &Owner) -> Result<Desired, Error> {
        let mut desired = match Desired::new(parsed, owner, Purpose::Create) {
            Ok(desired) => desired,
            Err(problems) => {
                let references = References::read(parsed, Purpose::Create);
                return Err(self.refused(problems, &references, None).await);
            }
        };
        self.resolve(&mut desired, true).await?;
        Ok(desired)
    }

    /// Makes everything. What an earlier request began in another VPC is removed first, because subnet groups do not move.
    async fn make(&mut self, transition: Transition<'_>, removal: Removal) -> Result<Converged, Error> {
        let (mut observed, mut account) = self.observe_all(transition).await?;
        check(transition, &observed, &account)?;
        if observed.was_begun_outside(&transition.desired.vpc_id, &transition.desired.owner) {
            info!("an earlier request began this in another VPC; removing what it left");
            Box::pin(self.remove_all(&removal.of_unfinished())).await?;
            // A Delete may have come across meanwhile.
            self.fence.restarts();
            (observed, account) = self.observe_all(transition).await?;
        }
        Box::pin(self.converge(transition, observed, &account)).await
    }
}
