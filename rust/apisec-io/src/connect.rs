//! A connection to a backend: names, addresses, TLS.

use std::{io, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{
    config::ClientTls,
    iobuf::Stream,
    reply::{Reason, Refusal},
    tls,
};

/// Where a backend is and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Target {
    /// Scheme, host and port, as URLs have them.
    pub url: http::Uri,
    address: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

fn fault(endpoint: &str, why: impl std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("endpoint {endpoint:?}: {why}"),
    )
}

/// A failure to reach a backend.
pub fn unreachable(what: &str, why: impl std::fmt::Display) -> Refusal {
    Refusal::new(Reason::Unreachable, format!("backend {what}: {why}"))
}

impl Target {
    /// Reads an endpoint: `host:port` or a URL; `http://` means plain text whatever `tls` says.
    ///
    /// # Errors
    /// An endpoint that is none, or TLS files that do not load.
    pub fn new(
        endpoint: &str,
        settings: &ClientTls,
        default_port: u16,
        protocols: &[&str],
    ) -> io::Result<Target> {
        let endpoint = endpoint.strip_prefix("dns:///").unwrap_or(endpoint);
        let insecure = settings.insecure || endpoint.starts_with("http://");
        let scheme = if endpoint.starts_with("https://") || !insecure {
            "https"
        } else {
            "http"
        };
        let rest = endpoint
            .strip_prefix("https://")
            .or_else(|| endpoint.strip_prefix("http://"))
            .unwrap_or(endpoint);
        let url: http::Uri = format!("{scheme}://{rest}")
            .parse()
            .map_err(|error| fault(endpoint, error))?;
        let host = url
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| fault(endpoint, "names no host"))?;
        let port = url
            .port_u16()
            .unwrap_or(if scheme == "https" && default_port == 80 {
                443
            } else {
                default_port
            });
        let settings = ClientTls {
            insecure: scheme == "http",
            ..settings.clone()
        };
        let name = settings
            .server_name_override
            .clone()
            .unwrap_or_else(|| host.trim_matches(['[', ']']).to_owned());
        let tls = match tls::client(&settings, protocols)? {
            None => None,
            Some(config) => Some((
                config,
                ServerName::try_from(name).map_err(|error| fault(endpoint, error))?,
            )),
        };
        Ok(Target {
            address: format!("{host}:{port}"),
            url,
            tls,
        })
    }

    /// host:port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it is spoken to over TLS.
    pub fn secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Opens a connection; also what ALPN agreed on.
    ///
    /// # Errors
    /// Retryable, with the address and the cause.
    pub async fn connect(&self) -> Result<(Box<dyn Stream>, Option<Vec<u8>>), Refusal> {
        let fault = |why: io::Error| unreachable(&self.address, why);
        let socket = TcpStream::connect(&self.address).await.map_err(fault)?;
        socket.set_nodelay(true).map_err(fault)?;
        let Some((config, name)) = &self.tls else {
            return Ok((Box::new(socket), None));
        };
        let stream = TlsConnector::from(config.clone())
            .connect(name.clone(), socket)
            .await
            .map_err(fault)?;
        let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        Ok((Box::new(stream), protocol))
    }
}
