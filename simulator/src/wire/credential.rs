//! The credential scope of a SigV4 signature: who calls, and which service. Signatures themselves are not checked.

use bytes::Bytes;
use http::Request;

/// The access key id of callers that may do everything: people with the AWS CLI, Terraform.
pub const ADMINISTRATOR_KEY: &str = "AKIDLOCALADMIN";

/// Access key id, region and service from the scope of a signed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Access key id.
    pub access_key: String,
    /// The region that the caller means.
    pub region: String,
    /// Signing name of the service.
    pub service: String,
}

impl Credential {
    /// Reads `Credential=<key>/<date>/<region>/<service>/aws4_request` of the `Authorization` header.
    #[must_use]
    pub fn of(request: &Request<Bytes>) -> Option<Credential> {
        let authorization = request.headers().get(http::header::AUTHORIZATION)?.to_str().ok()?;
        let (_, scope) = authorization.split_once("Credential=")?;
        let scope = scope.split([',', ' ']).next()?;
        // Counted from the end: an access key id may hold a slash, the rest of the scope may not.
        let mut parts = scope.rsplitn(5, '/');
        let (_terminator, service) = (parts.next()?, parts.next()?);
        let (region, _date, access_key) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Credential { access_key: access_key.into(), region: region.into(), service: service.into() })
    }

    /// Whether the caller is the administrator; everybody else is the function.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        self.access_key == ADMINISTRATOR_KEY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_names_caller_and_service() {
        let request = Request::builder()
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDLOCALADMIN/20261101/us-east-1/ec2/aws4_request, \
                 SignedHeaders=host, Signature=00",
            )
            .body(Bytes::new())
            .unwrap();
        let credential = Credential::of(&request).unwrap();
        assert_eq!((credential.region.as_str(), credential.service.as_str()), ("us-east-1", "ec2"));
        assert!(credential.is_administrator());
        assert_eq!(Credential::of(&Request::new(Bytes::new())), None);
    }
}
