//! The gateway as the HTTP connector of an AWS SDK, in process.

use std::io;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use crate::LocalAws;

/// An HTTP connector whose every connection ends in one local AWS. Retries, signing, serialisation and parsing stay the
/// SDK's own; only the socket is missing.
#[derive(Clone, Debug)]
pub struct InProcess {
    aws: LocalAws,
}

impl InProcess {
    /// A connector to this local AWS.
    #[must_use]
    pub fn new(aws: LocalAws) -> InProcess {
        InProcess { aws }
    }

    async fn exchange(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
        let (parts, body) = request.into_parts();
        let body = body.bytes().map(Bytes::copy_from_slice);
        let body = body.ok_or_else(|| ConnectorError::user("a streaming body has no bytes to hand over".into()))?;
        let answer = self.aws.handle(http::Request::from_parts(parts, body)).await;
        let response =
            answer.map_err(|cut| ConnectorError::io(io::Error::new(io::ErrorKind::ConnectionReset, cut).into()))?;
        HttpResponse::try_from(response.map(SdkBody::from)).map_err(|e| ConnectorError::other(e.into(), None))
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().exchange(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{Fault, Kind};

    fn describe_vpcs() -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from("Action=DescribeVpcs&Version=2016-11-15"));
        request.set_method("POST").unwrap();
        request.set_uri("https://ec2.us-east-1.amazonaws.com/").unwrap();
        let scope = "AWS4-HMAC-SHA256 Credential=AKIDFUNCTION/20261101/us-east-1/ec2/aws4_request, Signature=0";
        request.headers_mut().insert("authorization", scope);
        request
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_comes_back_as_the_sdk_expects_it() {
        let client = InProcess::new(LocalAws::new(1.0, None));
        let response = client.call(describe_vpcs()).await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert!(response.headers().get("x-amzn-requestid").is_some());
        let body = String::from_utf8_lossy(response.body().bytes().unwrap()).into_owned();
        assert!(body.contains("<vpcId>vpc-0a1b2c3d4e5f60001</vpcId>"), "{body}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_is_what_a_socket_would_give() {
        let aws = LocalAws::new(1.0, None);
        aws.fault(Fault::on("DescribeVpcs", 1, Kind::CutBefore));
        let client = InProcess::new(aws);
        assert!(client.call(describe_vpcs()).await.unwrap_err().is_io());
        assert!(client.call(describe_vpcs()).await.is_ok());
    }
}
