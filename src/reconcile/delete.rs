//! A Delete. Calls AWS.

use tracing::{info, warn};

use super::observe::Target;
use super::run::Run;
use super::wait::POLLS_TO_SHOW;
use crate::desired::{Removal, Succession, derived_id};
use crate::domain::names;
use crate::domain::tags::Owner;
use crate::error::Error;
use crate::observed::Observed;
use crate::plan::{self, Plan};
use crate::properties::Parsed;

impl Run<'_> {
    /// Removes what stands under the physical id. When CloudFormation never got an answer to a Create it makes an id up; then
    /// what the properties name is removed, if it is this resource's.
    ///
    /// # Errors
    /// What AWS refused, or what protects the cluster from deletion.
    pub async fn delete(&mut self, parsed: &Parsed, owner: &Owner, physical_id: &str) -> Result<(), Error> {
        let request = self.fence.request().as_str();
        let removal = Removal::new(parsed, owner, physical_id, request);
        let derived = derived_id(&parsed.values).filter(|stem| names::generation(physical_id, stem).is_none());
        let is_possible = names::id_defect(physical_id).is_none();
        match derived {
            Some(stem) if !(is_possible && self.owns_anything(Target::from(&removal)).await?) => {
                info!(physical_id, stem, "nothing of ours has this id; removing what the properties name");
                let removal = Removal::new(parsed, owner, &stem, request);
                Box::pin(self.delete_generation(&removal, parsed)).await
            }
            // AWS refuses to look for such a name.
            None if !is_possible => {
                info!(physical_id, "nothing of ours can have this id, and the properties name nothing");
                Ok(())
            }
            Some(_) | None => Box::pin(self.delete_generation(&removal, parsed)).await,
        }
    }

    /// Removes everything of ours.
    ///
    /// A Delete may come so soon after a failed Create that AWS does not show yet what was made last, and a request that it
    /// superseded may make something until it notices. So the end is confirmed by one more observation, and later
    /// where no security group was seen: it shows latest and stands in every complete set.
    pub(super) async fn remove_all(&mut self, removal: &Removal) -> Result<(), Error> {
        self.fence.removes(&removal.names.subnet_group());
        let observed = self.observe(Target::from(removal)).await?;
        Box::pin(self.remove(removal, observed)).await
    }

    /// Removes everything of ours, from this observation on.
    async fn remove(&mut self, removal: &Removal, mut observed: Observed) -> Result<(), Error> {
        let group = removal.names.replication_group.clone();
        let mut removal = removal.clone();
        let (mut seen, mut confirmed) = (false, false);
        let mut is_named = false;
        loop {
            if !is_named && let Some(numbered) = self.numbered_secret(&removal, &observed).await? {
                removal = removal.with_secret(&numbered);
                observed = self.observe(Target::from(&removal)).await?;
            }
            is_named = true;
            removal.final_snapshot = removal.final_snapshot.map(|name| self.free_snapshot(&name));
            seen |= observed.security_group.is_some();
            let plan = plan::removal_steps(&removal, &observed);
            if !matches!(plan, Plan::Refuse(_) | Plan::Done) {
                self.claim(Target::from(&removal), &observed).await?;
            }
            match plan {
                Plan::Done if confirmed => return Ok(()),
                Plan::Done => {
                    if let Some(secret) = plan::kept_secret(&removal, &observed) {
                        let stays = secret.kept_for_replicas();
                        warn!(stays, "a secret is left behind");
                    }
                    // Without time for another observation, what was seen has to do.
                    let what = "AWS to show what was made last";
                    if !seen && self.waiter.pause(POLLS_TO_SHOW, what, "").await.is_err() {
                        return Ok(());
                    }
                    confirmed = true;
                    self.parameter_groups.remove(&group);
                    observed = self.observe(Target::from(&removal)).await?;
                }
                plan => {
                    let outcome = self.execute(plan, &group, &observed).await?;
                    observed = Box::pin(self.proceed(Target::from(&removal), observed, outcome, true)).await?;
                }
            }
        }
    }

    /// This name of a final snapshot, or the next one that AWS has not refused.
    fn free_snapshot(&self, name: &str) -> String {
        let others = (2..).map(|number| names::numbered_snapshot(name, number));
        let mut names = std::iter::once(name.to_owned()).chain(others);
        names.find(|name| !self.taken_snapshots.contains(name)).unwrap_or_default()
    }

    /// Whether anything under the target's names is the owner's.
    async fn owns_anything(&mut self, target: Target<'_>) -> Result<bool, Error> {
        self.fence.removes(&target.names.subnet_group());
        Ok(self.observe(target).await?.has_anything_of(target.owner))
    }

    /// A Delete of a generation that another one replaces: in the end of an Update the new one has replaced it for good;
    /// after an Update that failed half-way, what is left of the new one goes first.
    async fn delete_generation(&mut self, removal: &Removal, parsed: &Parsed) -> Result<(), Error> {
        let id = &removal.names.replication_group;
        self.fence.removes(&removal.names.subnet_group());
        let mut observed = self.observe(Target::from(removal)).await?;
        let ours = observed.subnet_group.as_ref().is_some_and(|group| removal.owner.owns(&group.tags));
        if let Some(begun) = observed.succession_tag().and_then(Succession::parse).filter(|_| ours) {
            let next = Removal::new(parsed, &removal.owner, &begun.to, self.fence.request().as_str());
            if plan::is_unfinished(&self.observe(Target::from(&next)).await?) {
                self.remove_next(&removal.owner, id, &begun.to, [parsed; 2]).await?;
            } else {
                info!(next = begun.to, "replaced for good");
                self.finish(Target::from(&next), plan::has_replaced).await?;
            }
            observed = self.observe(Target::from(removal)).await?;
        }
        Box::pin(self.remove(removal, observed)).await
    }
}
