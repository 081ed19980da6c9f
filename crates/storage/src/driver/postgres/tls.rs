//! TLS to PostgreSQL. `sslmode=disable` never uses it. `prefer`, the default, encrypts where the server
//! offers it, whoever the server is, as PostgreSQL's own clients do: a new installation has a
//! certificate that nobody signed. `require` insists, and verifies the server: by the certificates in
//! `sslrootcert=FILE` of the URL, or by the machine's roots; `verify-ca` and `verify-full` are the same.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::OpenError;

pub(super) type Connector = MakeRustlsConnect;

/// The URL as the driver reads it: without the parameter `sslrootcert`, which only we know, and that
/// parameter; and with `require` for the other clients' `verify-ca` and `verify-full`.
pub(super) fn take_root_certificate(url: &str) -> Result<(String, Option<String>), OpenError> {
    let Some((base, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), None));
    };
    let mut file = None;
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslrootcert", path)) => file = Some(path.replace("%2F", "/")),
            Some(("sslmode", "verify-ca" | "verify-full")) => rest.push("sslmode=require"),
            Some(("sslmode", mode)) if !["disable", "prefer", "require"].contains(&mode) => {
                // Nothing of the URL is repeated: what stands where it should not may be a secret.
                return Err(OpenError(
                    "the sslmode in the database URL must be disable, prefer (the default), or require, which \
                     verifies the server, as verify-ca and verify-full do"
                        .into(),
                ));
            }
            _ => rest.push(pair),
        }
    }
    let url = match rest.is_empty() {
        true => base.to_owned(),
        false => format!("{base}?{}", rest.join("&")),
    };
    Ok((url, file))
}

/// What speaks TLS to servers, and verifies them where `verify` says so.
pub(super) fn connector(verify: bool, root_certificate: Option<&str>) -> Result<Connector, OpenError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| OpenError(format!("TLS: {e}")))?;
    let config = match verify || root_certificate.is_some() {
        true => builder.with_root_certificates(roots(root_certificate)?),
        false => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider))),
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

fn roots(root_certificate: Option<&str>) -> Result<RootCertStore, OpenError> {
    let mut roots = RootCertStore::empty();
    match root_certificate {
        Some(path) => {
            let unreadable = |e: &dyn std::fmt::Display| OpenError(format!("sslrootcert {path}: {e}"));
            let certificates = CertificateDer::pem_file_iter(path).map_err(|e| unreadable(&e))?;
            for certificate in certificates {
                roots
                    .add(certificate.map_err(|e| unreadable(&e))?)
                    .map_err(|e| unreadable(&e))?;
            }
        }
        // A root that cannot be read verifies nothing; the others still do.
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    Ok(roots)
}

/// Takes any server's certificate: encryption against those who listen, not against those who pretend.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    // A signature by a certificate that anybody may have made proves nothing; and some that servers make
    // for themselves are of a version that cannot be verified by.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::take_root_certificate;

    #[test]
    fn the_root_certificate_is_taken_out_of_the_url() {
        let taken = |url: &str| take_root_certificate(url).unwrap();
        assert_eq!(taken("postgres://h/d"), ("postgres://h/d".into(), None));
        assert_eq!(
            taken("postgres://h/d?sslmode=require&sslrootcert=/a/b.pem"),
            ("postgres://h/d?sslmode=require".into(), Some("/a/b.pem".into()))
        );
        assert_eq!(
            taken("postgres://h/d?sslrootcert=%2Fa"),
            ("postgres://h/d".into(), Some("/a".into()))
        );
    }

    #[test]
    fn what_other_clients_call_verifying_is_required() {
        for mode in ["verify-ca", "verify-full", "require"] {
            let taken = take_root_certificate(&format!("postgres://h/d?sslmode={mode}&a=b"));
            assert_eq!(taken.unwrap().0, "postgres://h/d?sslmode=require&a=b");
        }
        let refused = take_root_certificate("postgres://h/d?sslmode=allow")
            .unwrap_err()
            .to_string();
        assert!(
            !refused.contains("allow") && refused.contains("disable, prefer"),
            "{refused}"
        );
    }
}
