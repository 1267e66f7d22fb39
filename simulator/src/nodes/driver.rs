//! The task that keeps real servers in step with what ElastiCache wants.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::fleet::Fleet;
use super::tls::Authority;
use crate::LocalAws;

/// How often the driver polls. Real time: servers start in real time too.
const POLL: Duration = Duration::from_millis(50);

/// Runs real cache nodes for a local AWS. Servers and endpoints end when this is dropped.
pub struct Driver {
    task: JoinHandle<()>,
    authority: Arc<Authority>,
    certificate: PathBuf,
}

impl Driver {
    /// Starts to run nodes with the server at `program`. From now on a group in `aws` is available only when its nodes
    /// accept connections.
    pub fn start(aws: &LocalAws, program: &Path) -> io::Result<Driver> {
        let dir = tempfile::Builder::new().prefix("local-aws-").tempdir()?;
        let authority = Arc::new(Authority::new().map_err(io::Error::other)?);
        let certificate = dir.path().join("ca.pem");
        std::fs::write(&certificate, authority.pem())?;
        aws.with(|world, _| world.elasticache.use_real_nodes());
        let fleet = Fleet::new(program, dir.path(), Arc::clone(&authority));
        let task = tokio::spawn(drive(aws.clone(), fleet, dir));
        Ok(Driver { task, authority, certificate })
    }

    /// File with the certificate that clients have to trust, in PEM.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// The authority behind that certificate.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The folder comes along so that it goes after the servers.
async fn drive(aws: LocalAws, mut fleet: Fleet, _dir: tempfile::TempDir) {
    let mut polls = tokio::time::interval(POLL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        polls.tick().await;
        let (wanted, copies) =
            aws.with(|world, _| (world.elasticache.wanted_nodes(), world.elasticache.wanted_copies()));
        fleet.copy(&copies).await;
        let ready = fleet.step(&wanted).await;
        aws.with(|world, _| {
            // What is wanted may have changed during the step; the next poll reports on that.
            if world.elasticache.wanted_nodes() != wanted {
                return;
            }
            for (group, primary, reader) in &ready.groups {
                world.elasticache.group_ready(group, *primary, *reader);
            }
            for (member, address) in &ready.members {
                world.elasticache.node_ready(member, *address);
            }
        });
    }
}
