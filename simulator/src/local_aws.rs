//! One local AWS: its state, clock, rights, faults and journal in one handle that everybody shares.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::clock::{Clock, Time};
use crate::cloudformation::AnswerBox;
use crate::ec2::Ec2;
use crate::elasticache::ElastiCache;
use crate::faults::Fault;
use crate::journal::Entry;
use crate::lambda::Lambda;
use crate::policy::Policy;
use crate::secrets_manager::SecretsManager;
use crate::world::World;

/// A handle on a local AWS; clones share it.
#[derive(Clone, Debug)]
pub struct LocalAws(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    clock: Clock,
    answers: AnswerBox,
    lambda: Lambda,
}

/// The connection broke: the caller gets no HTTP answer.
#[derive(Debug, thiserror::Error)]
#[error("connection reset by the local AWS")]
pub struct Cut;

impl LocalAws {
    /// A local AWS whose clock runs `speed` times as fast as tokio's; `policy` says what callers may do, and `None`
    /// lets them do everything.
    #[must_use]
    pub fn new(speed: f64, _policy: Option<Policy>) -> LocalAws {
        let world =
            World { elasticache: ElastiCache::default(), ec2: Ec2::default(), secrets: SecretsManager::default() };
        LocalAws(Arc::new(Inner {
            world: Mutex::new(world),
            clock: Clock::new(speed),
            answers: AnswerBox::default(),
            lambda: Lambda::default(),
        }))
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Where answers to CloudFormation arrive.
    #[must_use]
    pub fn answers(&self) -> &AnswerBox {
        &self.0.answers
    }

    /// The Lambda service.
    #[must_use]
    pub fn lambda(&self) -> &Lambda {
        &self.0.lambda
    }

    /// Looks at or changes the state directly, as of now, past rights, faults and journal.
    pub fn with<R>(&self, f: impl FnOnce(&mut World, Time) -> R) -> R {
        let mut world = self.0.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.0.clock.now();
        world.advance(now);
        f(&mut world, now)
    }

    /// All API calls so far.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        Vec::new()
    }

    /// Plans a fault.
    pub fn fault(&self, _fault: Fault) {}

    /// Handles one HTTP request to any service: APIs by the service name in the SigV4 credential scope, response
    /// URLs by host or path, the Lambda Runtime API by path.
    pub async fn handle(&self, _request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Cut> {
        Err(Cut)
    }
}
