//! The CloudFormation side: stacks that send events, check answers against the protocol, and roll back.

use bytes::Bytes;

use crate::clock::Time;

/// Where answers to custom resource requests arrive: the bucket behind the presigned response URLs.
#[derive(Debug, Default)]
pub struct AnswerBox {}

impl AnswerBox {
    /// Handles the PUT of one answer.
    pub fn accept(&self, _request: &http::Request<Bytes>, _now: Time) -> http::Response<Bytes> {
        http::Response::new(Bytes::new())
    }
}
