//! TLS of ports and exporters: load, check, watch for new files. Errors name the file.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use tokio::sync::watch;

use crate::config::{ClientTls, ServerTls};

/// The current configuration of a port; connections take it when they begin.
pub type Current = watch::Receiver<Arc<ServerConfig>>;

fn fault(file: &str, why: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{file}: {why}"))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

static FROM_12: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static FROM_13: [&SupportedProtocolVersion; 1] = [&TLS13];

fn versions(lowest: Option<&str>) -> io::Result<&'static [&'static SupportedProtocolVersion]> {
    match lowest {
        None | Some("" | "1.2") => Ok(&FROM_12),
        Some("1.3") => Ok(&FROM_13),
        Some(other) => Err(fault(
            "tls::min_version",
            format!("{other:?} is not spoken; use \"1.2\" or \"1.3\""),
        )),
    }
}

fn certificates(file: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = std::fs::read(file).map_err(|error| fault(file, error))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read).collect();
    let chain = chain.map_err(|error| fault(file, error))?;
    if chain.is_empty() {
        Err(fault(file, "holds no PEM certificate"))
    } else {
        Ok(chain)
    }
}

fn key(file: &str) -> io::Result<PrivateKeyDer<'static>> {
    let read = std::fs::read(file).map_err(|error| fault(file, error))?;
    PrivateKeyDer::from_pem_slice(&read)
        .map_err(|error| fault(file, format!("no PEM private key: {error}")))
}

fn roots(file: &str) -> io::Result<Arc<RootCertStore>> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file)? {
        store.add(certificate).map_err(|error| fault(file, error))?;
    }
    Ok(Arc::new(store))
}

/// Loads and checks a server's configuration.
///
/// # Errors
/// A file that is missing, is no PEM, or does not fit the others.
pub fn server(tls: &ServerTls, protocols: &[&str]) -> io::Result<Arc<ServerConfig>> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(tls.min_version.as_deref())?)
        .map_err(|error| fault("tls", error))?;
    let builder = match &tls.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots(file)?, provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| fault(file, error))?)
        }
    };
    let mut config = builder
        .with_single_cert(certificates(&tls.cert_file)?, key(&tls.key_file)?)
        .map_err(|error| fault(&format!("{} with {}", tls.cert_file, tls.key_file), error))?;
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Ok(Arc::new(config))
}

/// The configuration and, with a `reload_interval`, a task that replaces it when new files are sound.
/// `report` is told of each reload: None, or what is wrong with the new files (the old ones stay).
///
/// # Errors
/// As `server`.
pub fn watched(
    tls: &ServerTls,
    protocols: &'static [&'static str],
    report: impl Fn(Option<String>) + Send + 'static,
) -> io::Result<Current> {
    let (send, receive) = watch::channel(server(tls, protocols)?);
    let tls = tls.clone();
    if let Some(interval) = tls.reload_interval.filter(|interval| !interval.0.is_zero()) {
        tokio::spawn(async move {
            while !send.is_closed() {
                tokio::time::sleep(interval.0).await;
                match server(&tls, protocols) {
                    Ok(config) => {
                        send.send_replace(config);
                        report(None);
                    }
                    Err(error) => report(Some(error.to_string())),
                }
            }
        });
    }
    Ok(receive)
}

/// Loads and checks a client's configuration; None when it is `insecure`.
///
/// # Errors
/// As `server`.
pub fn client(tls: &ClientTls, protocols: &[&str]) -> io::Result<Option<Arc<ClientConfig>>> {
    if tls.insecure {
        return Ok(None);
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(tls.min_version.as_deref())?)
        .map_err(|error| fault("tls", error))?;
    let builder = if tls.insecure_skip_verify {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider())))
    } else {
        let store = match &tls.ca_file {
            Some(file) => roots(file)?,
            None => system_roots(),
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(store, provider()).build();
        let file = tls
            .ca_file
            .as_deref()
            .unwrap_or("the system's certificates");
        builder.with_webpki_verifier(verifier.map_err(|error| fault(file, error))?)
    };
    let mut config = match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(private)) => builder
            .with_client_auth_cert(certificates(cert)?, key(private)?)
            .map_err(|error| fault(&format!("{cert} with {private}"), error))?,
        (None, None) => builder.with_no_client_auth(),
        _ => {
            return Err(fault(
                "tls",
                "cert_file and key_file come together or not at all",
            ));
        }
    };
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Ok(Some(Arc::new(config)))
}

fn system_roots() -> Arc<RootCertStore> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(store)
}

/// `insecure_skip_verify`: signatures are checked, names and issuers are not.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
