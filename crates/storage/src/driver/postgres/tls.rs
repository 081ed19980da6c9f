//! TLS to PostgreSQL. `sslmode=disable` never uses it, `prefer` (the default) uses it where the server
//! offers it, `require` insists. A server is always verified: by the certificate in `sslrootcert=FILE`
//! of the URL, or by the machine's roots.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::OpenError;

pub(super) type Connector = MakeRustlsConnect;

/// The URL without its parameter `sslrootcert`, which only we know, and that parameter.
pub(super) fn take_root_certificate(url: &str) -> (String, Option<String>) {
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let mut file = None;
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match pair.strip_prefix("sslrootcert=") {
            Some(path) => file = Some(path.replace("%2F", "/")),
            None => rest.push(pair),
        }
    }
    let url = match rest.is_empty() {
        true => base.to_owned(),
        false => format!("{base}?{}", rest.join("&")),
    };
    (url, file)
}

/// What verifies servers.
pub(super) fn connector(root_certificate: Option<&str>) -> Result<Connector, OpenError> {
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
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| OpenError(format!("TLS: {e}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::take_root_certificate;

    #[test]
    fn the_root_certificate_is_taken_out_of_the_url() {
        let taken = |url: &str| take_root_certificate(url);
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
}
