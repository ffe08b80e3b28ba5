//! A few threads for compression and decoding, so that sockets never wait for them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

type Job = Box<dyn FnOnce() + Send>;

/// The pool; its threads end when it is dropped.
#[derive(Clone, Debug)]
pub struct Pool(Sender<Job>);

impl Pool {
    /// Starts `workers` threads; 0 = one for each core, at most two.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(workers: usize) -> std::io::Result<Pool> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = if workers == 0 { cores.min(2) } else { workers };
        let (send, receive) = channel::<Job>();
        let receive = Arc::new(Mutex::new(receive));
        for index in 0..workers {
            let receive = receive.clone();
            thread::Builder::new()
                .name(format!("apisec-pool-{index}"))
                .spawn(move || work(&receive))?;
        }
        Ok(Pool(send))
    }

    /// Runs `job` soon. A job that panics is dropped, and with it its promise of a reply.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) {
        // Sending fails only when every thread is gone; then the dropped job is the answer too.
        drop(self.0.send(Box::new(job)));
    }

    /// Runs `job` and waits for what it gives; None when it panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (send, receive) = tokio::sync::oneshot::channel();
        self.submit(move || drop(send.send(job())));
        receive.await.ok()
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        drop(catch_unwind(AssertUnwindSafe(job)));
    }
}
