//! A port: bind, accept, count; errors say which address.

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, lookup_host},
    sync::{mpsc, watch},
};

use crate::{
    otlp::Transport,
    receive::Port,
    serve::connection,
    tls::{self, Current},
};

const BACKLOG: i32 = 1024;
/// How long accepting rests when the process is out of file descriptors.
const REST: Duration = Duration::from_millis(500);

fn fault(endpoint: &str, error: &io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            " (another process listens there; stop it or choose another port)"
        }
        io::ErrorKind::AddrNotAvailable => " (this machine has no such address)",
        io::ErrorKind::PermissionDenied => " (ports below 1024 need a privilege)",
        _ => "",
    };
    io::Error::new(
        error.kind(),
        format!("cannot listen on {endpoint}: {error}{hint}"),
    )
}

/// Why an address must not be listened on in plain text; None when it may.
pub fn exposed(endpoint: &str, address: SocketAddr, tls: bool, insecure: bool) -> Option<String> {
    let open = !address.ip().to_canonical().is_loopback() && !tls && !insecure;
    open.then(|| format!("{endpoint} is reachable from other machines in plain text: set tls, or insecure: true when the network is trusted"))
}

/// The address of host:port; a missing host means all, a name prefers IPv4, as in Go.
async fn address(endpoint: &str) -> io::Result<SocketAddr> {
    if let Some(port) = endpoint.strip_prefix(':') {
        let port = port
            .parse()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "no such port"))?;
        return Ok(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
    }
    let found: Vec<SocketAddr> = lookup_host(endpoint).await?.collect();
    let first = found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first());
    first
        .copied()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}

fn socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A bound port that does not accept yet.
#[derive(Debug)]
pub struct Bound {
    port: Arc<Port>,
    listener: TcpListener,
    tls: Option<Current>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Binds a port and loads its TLS.
///
/// # Errors
/// The address is taken, is not here, is exposed in plain text; a TLS file will not do.
pub async fn bind(port: Arc<Port>) -> io::Result<Bound> {
    let endpoint = port.config.endpoint.clone();
    let fault = |error: io::Error| fault(&endpoint, &error);
    let wanted = address(&endpoint).await.map_err(fault)?;
    if let Some(why) = exposed(
        &endpoint,
        wanted,
        port.config.tls.is_some(),
        port.config.insecure,
    ) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let protocols: &[&str] = if port.transport == Transport::Grpc {
        &["h2"]
    } else {
        &["h2", "http/1.1"]
    };
    let receiver = port.receiver.clone();
    let report = move |wrong: Option<String>| {
        let outcome = if wrong.is_some() { "failed" } else { "done" };
        receiver
            .core
            .counters
            .event("receiver_tls_reloads", &receiver.name, outcome);
    };
    let tls = port
        .config
        .tls
        .as_ref()
        .map(|tls| tls::watched(tls, protocols, report))
        .transpose()?;
    let listener = socket(wanted).map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    Ok(Bound {
        port,
        listener,
        tls,
        address,
    })
}

impl Bound {
    /// Accepts until `drain` says stop. Each connection holds a clone of `open`: when all are dropped, none is left.
    pub async fn accept(self, mut drain: watch::Receiver<bool>, open: mpsc::Sender<()>) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = drain.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok((socket, _)) => self.begin(socket, &drain, &open),
                // Aborted connections are nothing; out of descriptors, the rest lets some close.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    self.event("receiver_accept_errors", "resources");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    fn event(&self, name: &'static str, reason: &'static str) {
        let receiver = &self.port.receiver;
        receiver.core.counters.event(name, &receiver.name, reason);
    }

    fn begin(
        &self,
        socket: tokio::net::TcpStream,
        drain: &watch::Receiver<bool>,
        open: &mpsc::Sender<()>,
    ) {
        let Some(held) = self.port.receiver.core.connections.hold(1) else {
            return self.event("receiver_connections", "over_limit");
        };
        let (port, tls, drain, open) = (
            self.port.clone(),
            self.tls.clone(),
            drain.clone(),
            open.clone(),
        );
        tokio::spawn(async move {
            let receiver = port.receiver.clone();
            let ending = connection(port, socket, tls, drain).await;
            receiver
                .core
                .counters
                .event("receiver_connections", &receiver.name, ending);
            drop((held, open));
        });
    }
}
