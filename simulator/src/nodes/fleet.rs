//! The processes and endpoints that run, made to match what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::endpoint::{Endpoint, Route};
use super::tls::Authority;
use super::valkey::{DRIVER_PASSWORD, Server};
use super::{Access, NodeSpec, ShardCopy};

/// Real time before a server that ended is started again, so that one that cannot run does not spin.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// The file that a server saves its data in and begins with.
const DUMP: &str = "dump.rdb";

/// Everything that runs.
pub(super) struct Fleet {
    program: PathBuf,
    dir: PathBuf,
    authority: Arc<Authority>,
    members: BTreeMap<String, Member>,
    groups: BTreeMap<String, Group>,
}

/// One server and its own endpoint.
struct Member {
    server: Server,
    started: Instant,
    endpoint: Endpoint,
    /// What the server was last told.
    applied: Option<Applied>,
    /// Accepts connections and holds its primary's data.
    ready: bool,
}

/// What makes one server what it should be.
#[derive(Clone, PartialEq, Eq)]
struct Applied {
    access: Access,
    primary: Option<SocketAddr>,
}

/// The endpoints of a group.
struct Group {
    primary: Endpoint,
    reader: Endpoint,
}

/// What accepts connections now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ready {
    /// Members with the addresses of their endpoints.
    pub(super) members: Vec<(String, SocketAddr)>,
    /// Groups with the addresses of their primary and reader endpoints.
    pub(super) groups: Vec<(String, SocketAddr, SocketAddr)>,
}

impl Fleet {
    pub(super) fn new(program: &Path, dir: &Path, authority: Arc<Authority>) -> Fleet {
        Fleet {
            program: program.to_owned(),
            dir: dir.to_owned(),
            authority,
            members: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// Keeps the data of shards for snapshots, each once. What fails is tried again in the next round.
    pub(super) async fn copy(&mut self, copies: &[(ShardCopy, String)]) {
        for (copy, member) in copies {
            let (to, from) = (self.dump_of(copy), self.dir.join(member).join(DUMP));
            let Some(member) = self.members.get_mut(member).filter(|member| member.ready && !to.exists()) else {
                continue;
            };
            let kept = async {
                member.server.save().await.map_err(io::Error::other)?;
                std::fs::create_dir_all(to.parent().unwrap_or(&to))?;
                std::fs::copy(&from, &to).map(drop)
            };
            if let Err(error) = kept.await {
                tracing::warn!(snapshot = copy.snapshot, %error, "cannot keep the data of a snapshot");
            }
        }
    }

    fn dump_of(&self, copy: &ShardCopy) -> PathBuf {
        self.dir.join("snapshots").join(&copy.snapshot).join(&copy.shard)
    }

    /// Does the next step towards what is wanted. Called again and again; what fails is tried again in the next round.
    pub(super) async fn step(&mut self, wanted: &[NodeSpec]) -> Ready {
        let members: BTreeSet<&str> = wanted.iter().map(|spec| spec.member.as_str()).collect();
        let groups: BTreeSet<&str> = wanted.iter().map(|spec| spec.group.as_str()).collect();
        self.members.retain(|member, _| members.contains(member.as_str()));
        self.groups.retain(|group, _| groups.contains(group.as_str()));
        for spec in wanted {
            if let Err(error) = self.run(spec).await {
                tracing::warn!(member = spec.member, %error, "cannot run a cache node");
            }
        }
        for spec in wanted {
            self.configure(spec).await;
        }
        for group in groups {
            let specs: Vec<&NodeSpec> = wanted.iter().filter(|spec| spec.group == group).collect();
            if let Err(error) = self.route(group, &specs).await {
                tracing::warn!(group, %error, "cannot open the endpoints of a group");
            }
        }
        self.ready(wanted)
    }

    /// Starts the server when it does not run.
    async fn run(&mut self, spec: &NodeSpec) -> io::Result<()> {
        let dir = self.dir.join(&spec.member);
        if let Some(member) = self.members.get_mut(&spec.member) {
            if member.server.has_ended() && member.started.elapsed() >= RESTART_PAUSE {
                tracing::warn!(member = spec.member, "a cache node ended and is started again");
                member.started = Instant::now();
                member.applied = None;
                member.ready = false;
                member.endpoint.set(Route::CLOSED);
                member.server = Server::start(&self.program, &dir)?;
            }
            return Ok(());
        }
        let endpoint = Endpoint::open(&self.authority).await?;
        if let Some(dump) = spec.restored_from.as_ref().map(|copy| self.dump_of(copy)).filter(|dump| dump.exists()) {
            std::fs::create_dir_all(&dir)?;
            std::fs::copy(dump, dir.join(DUMP))?;
        }
        let server = Server::start(&self.program, &dir)?;
        let started = Instant::now();
        self.members.insert(spec.member.clone(), Member { server, started, endpoint, applied: None, ready: false });
        Ok(())
    }

    /// Tells the server its passwords and its primary, and checks whether it is ready. A server that does not answer yet
    /// is asked again in the next round.
    async fn configure(&mut self, spec: &NodeSpec) {
        let primary = match &spec.replica_of {
            Some(primary) => match self.members.get(primary) {
                Some(primary) => Some(primary.server.address()),
                None => return,
            },
            None => None,
        };
        let Some(member) = self.members.get_mut(&spec.member) else { return };
        let wanted = Applied { access: spec.access.clone(), primary };
        if member.applied.as_ref() != Some(&wanted) {
            let told = async {
                member.server.set_access(&wanted.access, admits_all(&wanted.access)).await?;
                member.server.replicate(wanted.primary).await
            };
            if let Err(error) = told.await {
                tracing::debug!(member = spec.member, %error, "a cache node is not there yet");
                return;
            }
            if member.applied.as_ref().is_none_or(|applied| applied.primary != wanted.primary) {
                member.ready = false;
            }
            member.applied = Some(wanted);
        }
        if !member.ready {
            member.ready = primary.is_none() || member.server.is_in_sync().await.unwrap_or_default();
        }
    }

    /// Points the endpoints of a group and of its members to the servers.
    async fn route(&mut self, group: &str, specs: &[&NodeSpec]) -> io::Result<()> {
        if !self.groups.contains_key(group) {
            let (primary, reader) = (Endpoint::open(&self.authority).await?, Endpoint::open(&self.authority).await?);
            self.groups.insert(group.to_owned(), Group { primary, reader });
        }
        let (mut primaries, mut replicas) = (Vec::new(), Vec::new());
        for spec in specs {
            let Some(member) = self.members.get(&spec.member).filter(|member| member.ready) else { continue };
            let server = member.server.address();
            member.endpoint.set(route_to(spec, vec![server]));
            if spec.replica_of.is_none() { primaries.push(server) } else { replicas.push(server) }
        }
        // One endpoint leads to one primary, also when there are more shards: a client of a sharded group goes on from
        // the member endpoints.
        primaries.truncate(1);
        let readers = if replicas.is_empty() { primaries.clone() } else { replicas };
        if let (Some(spec), Some(group)) = (specs.first(), self.groups.get(group)) {
            group.primary.set(route_to(spec, primaries));
            group.reader.set(route_to(spec, readers));
        }
        Ok(())
    }

    fn ready(&self, wanted: &[NodeSpec]) -> Ready {
        let mut ready = Ready::default();
        for spec in wanted {
            let Some(member) = self.members.get(&spec.member).filter(|member| member.ready) else { continue };
            ready.members.push((spec.member.clone(), member.endpoint.address()));
            if let Some(group) = self.groups.get(&spec.group).filter(|_| spec.replica_of.is_none()) {
                ready.groups.push((spec.group.clone(), group.primary.address(), group.reader.address()));
            }
        }
        ready.groups.dedup();
        ready
    }
}

fn route_to(spec: &NodeSpec, servers: Vec<SocketAddr>) -> Route {
    let admit_with = admits_all(&spec.access).then(|| DRIVER_PASSWORD.to_owned());
    Route { servers, tls: spec.tls, admit_with }
}

/// Whether a password is valid but not needed.
fn admits_all(access: &Access) -> bool {
    access.anonymous && !access.tokens.is_empty()
}
