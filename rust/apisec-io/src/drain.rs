//! The end of a server in phases: stop accepting, say goodbye, finish what is in flight, cut the rest.

use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// Told to each port and connection; ends when the last of them does.
#[derive(Debug)]
pub struct Drain {
    stop: watch::Sender<bool>,
    open: Option<mpsc::Sender<()>>,
    closed: mpsc::Receiver<()>,
    ports: Vec<JoinHandle<()>>,
}

impl Default for Drain {
    fn default() -> Self {
        let (open, closed) = mpsc::channel(1);
        Drain {
            stop: watch::Sender::new(false),
            open: Some(open),
            closed,
            ports: Vec::new(),
        }
    }
}

impl Drain {
    /// What a port listens to.
    pub fn stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// What each connection holds while it is open.
    pub fn open(&self) -> Option<mpsc::Sender<()>> {
        self.open.clone()
    }

    /// Adds a port's task.
    pub fn add(&mut self, port: JoinHandle<()>) {
        self.ports.push(port);
    }

    /// Stops accepting and asks connections to close.
    pub fn begin(&mut self) {
        self.stop.send_replace(true);
        self.open = None;
    }

    /// Waits for the last connection; false when some were still open at the end of `within`.
    pub async fn finish(mut self, within: Duration) -> bool {
        self.begin();
        let done = tokio::time::timeout(within, self.closed.recv())
            .await
            .is_ok();
        self.ports.iter().for_each(JoinHandle::abort);
        done
    }
}
