//! The wire protocols: requests to calls, answers to responses.

mod cbor;
pub mod credential;
pub mod json;
pub mod pattern;
pub mod query;
pub mod tree;
pub mod xml;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::world::{Answer, AwsError, Right};

/// The services that speak an API behind the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Query protocol.
    ElastiCache,
    /// Query protocol.
    CloudFormation,
    /// RPC v2 with CBOR, or JSON 1.0.
    CloudWatch,
    /// EC2's dialect of the query protocol.
    Ec2,
    /// JSON 1.1.
    SecretsManager,
    /// JSON 1.1.
    PriceList,
    /// REST with JSON.
    Lambda,
    /// Query protocol.
    Sts,
}

/// Who the function is when AWS writes about it.
pub(crate) const FUNCTION_PRINCIPAL: &str =
    "arn:aws:sts::123456789012:assumed-role/elasticache-resource-role/elasticache-resource";

impl Service {
    /// The service with this name in a SigV4 credential scope.
    #[must_use]
    pub fn from_signing_name(name: &str) -> Option<Service> {
        match name {
            "elasticache" => Some(Service::ElastiCache),
            "cloudformation" => Some(Service::CloudFormation),
            "monitoring" => Some(Service::CloudWatch),
            "ec2" => Some(Service::Ec2),
            "secretsmanager" => Some(Service::SecretsManager),
            "pricing" => Some(Service::PriceList),
            "lambda" => Some(Service::Lambda),
            "sts" => Some(Service::Sts),
            _ => None,
        }
    }

    /// The prefix of its IAM actions, which is also its name in a SigV4 credential scope, but for CloudWatch, which signs
    /// as `monitoring`.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Service::ElastiCache => "elasticache",
            Service::CloudFormation => "cloudformation",
            Service::CloudWatch => "cloudwatch",
            Service::Ec2 => "ec2",
            Service::SecretsManager => "secretsmanager",
            Service::PriceList => "pricing",
            Service::Lambda => "lambda",
            Service::Sts => "sts",
        }
    }

    /// Operation and input of a request.
    pub fn decode(self, request: &Request<Bytes>) -> Result<(String, Value), AwsError> {
        match self {
            Service::ElastiCache | Service::CloudFormation | Service::Ec2 | Service::Sts => {
                query::decode(request.uri().query(), request.body())
            }
            Service::SecretsManager => json::decode(request, "secretsmanager"),
            Service::CloudWatch if cbor::is_spoken(request) => cbor::decode(request, CLOUDWATCH),
            Service::CloudWatch => json::decode(request, CLOUDWATCH),
            Service::PriceList => json::decode(request, "AWSPriceListService"),
            Service::Lambda => json::decode_invoke(request),
        }
    }

    /// The HTTP response to `request` that carries `answer`.
    #[must_use]
    pub fn encode(self, request: &Request<Bytes>, action: &str, answer: &Answer, request_id: &str) -> Response<Bytes> {
        if self == Service::CloudWatch {
            return cloudwatch(request, answer, request_id);
        }
        let (status, body) = match answer {
            Ok(tree) => (200, self.success(action, tree, request_id)),
            Err(error) => (error.status, self.failure(error, request_id)),
        };
        let content_type = match self {
            Service::ElastiCache | Service::CloudFormation | Service::Ec2 | Service::Sts => "text/xml;charset=UTF-8",
            Service::SecretsManager | Service::PriceList | Service::CloudWatch => "application/x-amz-json-1.1",
            Service::Lambda => "application/json",
        };
        let mut response = plain(status, content_type, body);
        if let Ok(id) = header::HeaderValue::from_str(request_id) {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        // REST services name the error in a header; the SDKs look there first.
        if let (Service::Lambda, Err(error)) = (self, answer)
            && let Ok(code) = header::HeaderValue::from_str(&error.code)
        {
            response.headers_mut().insert("x-amzn-errortype", code);
        }
        response
    }

    fn success(self, action: &str, tree: &Value, request_id: &str) -> String {
        match self {
            Service::ElastiCache => xml::query_response(xml::ELASTICACHE, action, tree, request_id),
            Service::CloudFormation => xml::query_response(xml::CLOUDFORMATION, action, tree, request_id),
            Service::Sts => xml::query_response(xml::STS, action, tree, request_id),
            Service::Ec2 => xml::ec2_response(action, tree, request_id),
            Service::SecretsManager | Service::PriceList | Service::CloudWatch | Service::Lambda => tree.to_string(),
        }
    }

    fn failure(self, error: &AwsError, request_id: &str) -> String {
        match self {
            Service::ElastiCache => xml::query_error(xml::ELASTICACHE, error, request_id),
            Service::CloudFormation => xml::query_error(xml::CLOUDFORMATION, error, request_id),
            Service::Sts => xml::query_error(xml::STS, error, request_id),
            Service::Ec2 => xml::ec2_error(error, request_id),
            Service::SecretsManager | Service::PriceList | Service::CloudWatch => {
                json!({"__type": error.code, "Message": error.message}).to_string()
            }
            Service::Lambda => json!({"Type": "User", "message": error.message}).to_string(),
        }
    }

    /// The error of a call beyond the request rate; every service has its own code for it.
    #[must_use]
    pub fn throttled(self) -> AwsError {
        let (status, code, message) = match self {
            Service::ElastiCache | Service::CloudFormation | Service::CloudWatch | Service::Sts => {
                (400, "Throttling", "Rate exceeded")
            }
            Service::Ec2 => (503, "RequestLimitExceeded", "Request limit exceeded."),
            Service::SecretsManager | Service::PriceList => (400, "ThrottlingException", "Rate exceeded"),
            Service::Lambda => (429, "TooManyRequestsException", "Rate Exceeded."),
        };
        AwsError { status, code: code.into(), message: message.into() }
    }

    /// What a call is answered that is not taken for one of the function's, because it was signed too long ago or with
    /// credentials that are not good any more: the codes of the service in turn. Those of the query protocols are in their
    /// lists of common errors; those of the JSON protocols are what public reports show.
    #[must_use]
    pub fn signed_late(self, turn: usize) -> AwsError {
        let codes: &[(u16, &str)] = match self {
            Service::ElastiCache | Service::CloudFormation | Service::CloudWatch | Service::Sts => &[
                (400, "RequestExpired"),
                (403, "SignatureDoesNotMatch"),
                (403, "ExpiredToken"),
                (403, "InvalidClientTokenId"),
                (400, "IncompleteSignature"),
            ],
            Service::Ec2 => &[
                (400, "RequestExpired"),
                (401, "AuthFailure"),
                (403, "SignatureDoesNotMatch"),
                (400, "MissingAuthenticationToken"),
            ],
            Service::SecretsManager | Service::PriceList => &[
                (400, "InvalidSignatureException"),
                (400, "ExpiredTokenException"),
                (400, "UnrecognizedClientException"),
                (400, "IncompleteSignatureException"),
                (400, "RequestExpired"),
            ],
            Service::Lambda => &[
                (403, "InvalidSignatureException"),
                (403, "ExpiredTokenException"),
                (403, "UnrecognizedClientException"),
                (403, "MissingAuthenticationTokenException"),
            ],
        };
        let (status, code) = codes.get(turn % codes.len()).copied().unwrap_or_default();
        let message = "Signature expired: 20261101T000000Z is now earlier than 20261101T000500Z";
        AwsError { status, code: code.into(), message: message.into() }
    }

    /// The error of a call that the function's policy does not allow.
    #[must_use]
    pub fn denied(self, missing: &Right) -> AwsError {
        let Right { action, resource, context: _ } = missing;
        let reason = format!(
            "User: {FUNCTION_PRINCIPAL} is not authorized to perform: {action} on resource: {resource} because no \
             identity-based policy allows the {action} action"
        );
        let (status, code, message) = match self {
            Service::ElastiCache | Service::CloudFormation | Service::CloudWatch | Service::Sts => {
                (403, "AccessDenied", reason)
            }
            Service::Ec2 => {
                (403, "UnauthorizedOperation", format!("You are not authorized to perform this operation. {reason}"))
            }
            Service::SecretsManager | Service::PriceList => (400, "AccessDeniedException", reason),
            Service::Lambda => (403, "AccessDeniedException", reason),
        };
        AwsError { status, code: code.into(), message }
    }
}

/// The name of CloudWatch in its protocols.
const CLOUDWATCH: &str = "GraniteServiceVersion20100801";

/// An answer of CloudWatch, in the protocol of the request. A header has the code that the error had in the query protocol,
/// which the SDKs prefer.
fn cloudwatch(request: &Request<Bytes>, answer: &Answer, request_id: &str) -> Response<Bytes> {
    let (status, tree) = match answer {
        Ok(tree) => (200, tree.clone()),
        Err(error) => (error.status, json!({"__type": error.code, "message": error.message})),
    };
    let mut response = if cbor::is_spoken(request) {
        in_cbor(status, &tree)
    } else {
        plain(status, "application/x-amz-json-1.0", tree.to_string())
    };
    let mut add = |name: &'static str, value: &str| {
        if let Ok(value) = header::HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    add("x-amzn-requestid", request_id);
    if let Err(error) = answer {
        let side = if error.status < 500 { "Sender" } else { "Receiver" };
        add("x-amzn-query-error", &format!("{};{side}", error.code));
    }
    response
}

fn in_cbor(status: u16, tree: &Value) -> Response<Bytes> {
    let mut response = plain(status, "application/cbor", cbor::encode(tree));
    response.headers_mut().insert("smithy-protocol", header::HeaderValue::from_static("rpc-v2-cbor"));
    response
}

/// Services that are not here and speak REST with XML; the other REST services speak JSON.
const REST_XML: [&str; 3] = ["cloudfront", "route53", "s3"];

/// What a request is answered that reaches no service, in the protocol that it speaks itself: a client that gets another
/// one reports that it cannot read the answer, and not what is wrong.
pub(crate) fn refusal(request: &Request<Bytes>, service: &str, error: &AwsError, request_id: &str) -> Response<Bytes> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = header("content-type");
    let mut response = if cbor::is_spoken(request) {
        in_cbor(error.status, &json!({"__type": error.code, "message": error.message}))
    } else if service == "ec2" {
        plain(error.status, "text/xml;charset=UTF-8", xml::ec2_error(error, request_id))
    } else if kind.starts_with("application/x-www-form-urlencoded") || REST_XML.contains(&service) {
        let namespace = format!("http://{service}.amazonaws.com/doc/");
        plain(error.status, "text/xml;charset=UTF-8", xml::query_error(&namespace, error, request_id))
    } else {
        let version = if kind.starts_with("application/x-amz-json-1.0") { "1.0" } else { "1.1" };
        let kind = match header("x-amz-target") {
            "" => "application/json",
            _ if version == "1.0" => "application/x-amz-json-1.0",
            _ => "application/x-amz-json-1.1",
        };
        let body = json!({"__type": error.code, "message": error.message});
        plain(error.status, kind, body.to_string())
    };
    // REST services name the error here, and no client minds it elsewhere.
    if let Ok(code) = header::HeaderValue::from_str(&error.code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

/// A response without the trimmings of any service.
pub(crate) fn plain(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
