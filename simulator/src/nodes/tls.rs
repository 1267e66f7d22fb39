//! A certificate authority made for one run, and the certificate of its endpoints.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

/// Names that endpoints are reached by: they are on this machine, and clients may ask for the names of AWS.
const NAMES: [&str; 4] = ["127.0.0.1", "localhost", "*.cache.amazonaws.com", "*.use1.cache.amazonaws.com"];

/// Signs for all endpoints of one run.
pub struct Authority {
    pem: String,
    acceptor: TlsAcceptor,
}

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// While signing.
    #[error("sign a certificate")]
    Sign(#[from] rcgen::Error),
    /// While setting TLS up.
    #[error("set up TLS")]
    Setup(#[from] rustls::Error),
}

impl Authority {
    /// A new authority with a new key, for the endpoints of caches.
    pub fn new() -> Result<Authority, AuthorityError> {
        Authority::for_names(&NAMES)
    }

    /// A new authority with a new key, for endpoints with these names.
    pub fn for_names(names: &[&str]) -> Result<Authority, AuthorityError> {
        let mut root = CertificateParams::new(Vec::new())?;
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        root.distinguished_name.push(DnType::CommonName, "local AWS of this run");
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;

        let mut leaf = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())?;
        leaf.distinguished_name.push(DnType::CommonName, "endpoint of this run");
        // Strict clients (Python from 3.13 on) refuse a certificate that does not say which key signed it.
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &root)?;

        // The provider is named, not taken from the process, so that no other part of the program has to set one.
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        Ok(Authority { pem: root.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// The certificate that clients have to trust, in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Takes the connections of clients that trust it.
    #[must_use]
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}
