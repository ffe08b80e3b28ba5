//! The I/O thread, and what lives on it: servers, exporters, the watch over the engine.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use http::HeaderName;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use crate::{
    admit::{Core, Routes, bypass},
    config::{ExporterConfig, IoConfig, PortConfig, ServerConfig},
    drain::Drain,
    export::Exporter,
    listen::bind,
    otlp::Transport,
    receive::{Port, Receiver},
    request::Codec,
};

/// How often the mailbox is looked at for requests that the engine leaves waiting.
const LOOK: Duration = Duration::from_millis(50);

/// One I/O thread; dropped, it ends and cuts what is open.
#[derive(Debug)]
pub struct Io {
    core: Arc<Core>,
    handle: Handle,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Io {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread or no poller.
    pub fn start(config: IoConfig, codec: Codec) -> io::Result<Io> {
        let core = Core::new(config, codec)?;
        let (stop, stopped) = oneshot::channel();
        let (send, receive) = mpsc::channel();
        let watched = core.clone();
        let thread = thread::Builder::new()
            .name("apisec-io".into())
            .spawn(move || run(&send, watched, stopped))?;
        let handle = receive.recv().map_err(io::Error::other)??;
        Ok(Io {
            core,
            handle,
            stop: Mutex::new(Some(stop)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// What all share.
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The runtime of the I/O thread.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// An exporter.
    ///
    /// # Errors
    /// As `Exporter::new`.
    pub fn exporter(&self, config: ExporterConfig) -> io::Result<Exporter> {
        Exporter::new(self.core.clone(), self.handle.clone(), config)
    }

    /// Binds a receiver's ports and starts to accept.
    ///
    /// # Errors
    /// As `bind`; and when there is no port.
    pub fn server(&self, config: ServerConfig, routes: Routes) -> io::Result<Server> {
        let receiver = receiver(&self.core, &config, routes)?;
        let ports = [
            (Transport::Grpc, config.grpc),
            (Transport::Http, config.http),
        ];
        let ports: Vec<_> = ports
            .into_iter()
            .filter_map(|(transport, port)| Some((transport, port?)))
            .collect();
        if ports.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "receiver {}: at least one of grpc and http must be set",
                    config.name
                ),
            ));
        }
        let (send, receive) = mpsc::channel();
        self.handle
            .spawn(async move { drop(send.send(listen(receiver, ports).await)) });
        let (drain, addresses) = receive.recv().map_err(io::Error::other)??;
        Ok(Server {
            drain: Mutex::new(Some(drain)),
            addresses,
            handle: self.handle.clone(),
        })
    }
}

fn receiver(core: &Arc<Core>, config: &ServerConfig, routes: Routes) -> io::Result<Arc<Receiver>> {
    let name = |key: &String| {
        let fault = |_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("metadata_keys: {key:?} is no header name"),
            )
        };
        HeaderName::from_bytes(key.to_ascii_lowercase().as_bytes()).map_err(fault)
    };
    let metadata_keys = config
        .metadata_keys
        .iter()
        .map(name)
        .collect::<io::Result<_>>()?;
    let (name, authorization) = (config.name.as_str().into(), config.authorization.clone());
    Ok(Arc::new(Receiver {
        name,
        metadata_keys,
        authorization,
        routes,
        core: core.clone(),
    }))
}

async fn listen(
    receiver: Arc<Receiver>,
    ports: Vec<(Transport, PortConfig)>,
) -> io::Result<(Drain, Vec<(Transport, SocketAddr)>)> {
    let (mut drain, mut bound, mut addresses) = (Drain::default(), Vec::new(), Vec::new());
    for (transport, config) in ports {
        let port = bind(Arc::new(Port {
            receiver: receiver.clone(),
            transport,
            config,
        }))
        .await?;
        addresses.push((transport, port.address));
        bound.push(port);
    }
    for port in bound {
        if let Some(open) = drain.open() {
            drain.add(tokio::spawn(port.accept(drain.stop(), open)));
        }
    }
    Ok((drain, addresses))
}

fn run(
    started: &mpsc::Sender<io::Result<Handle>>,
    core: Arc<Core>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    drop(started.send(Ok(runtime.handle().clone())));
    runtime.block_on(async {
        tokio::select! {
            _ = stopped => {}
            () = watch_engine(&core) => {}
        }
    });
    core.mailbox.close();
    runtime.shutdown_timeout(Duration::from_millis(100));
}

/// Analysis is never the reason to refuse: what the engine leaves waiting goes on without it.
async fn watch_engine(core: &Core) {
    loop {
        tokio::time::sleep(LOOK).await;
        for (request, fallback) in core.mailbox.overdue(core.config.engine_wait.0) {
            bypass(core, request, fallback);
        }
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        drop(
            self.stop
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(thread.map(JoinHandle::join));
    }
}

/// A running receiver.
#[derive(Debug)]
pub struct Server {
    drain: Mutex<Option<Drain>>,
    addresses: Vec<(Transport, SocketAddr)>,
    handle: Handle,
}

impl Server {
    /// Where it listens.
    pub fn addresses(&self) -> &[(Transport, SocketAddr)] {
        &self.addresses
    }

    /// Stops accepting and sends GOAWAY; what is in flight goes on.
    pub fn begin_drain(&self) {
        if let Some(drain) = self
            .drain
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            drain.begin();
        }
    }

    /// Drains; waits at most `within` for open connections; whether all closed. The engine must go on pulling.
    pub fn drain(&self, within: Duration) -> bool {
        let Some(drain) = self
            .drain
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        else {
            return true;
        };
        let (send, receive) = mpsc::channel();
        self.handle
            .spawn(async move { send.send(drain.finish(within).await).is_ok() });
        receive
            .recv_timeout(within + Duration::from_secs(1))
            .unwrap_or(false)
    }
}
