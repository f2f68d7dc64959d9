//! The process's own threads for requests.

use std::future::Future;
use std::sync::Mutex;

use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};

/// They wait most of the time; what is long in computing runs on the threads of those who ask.
const THREADS: usize = 2;

/// The process that it belongs to, too: a fork has none of its parent's threads.
static RUNTIME: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

/// The runtime, started by who asks first. It lives as long as the process.
pub fn runtime() -> Result<&'static Runtime> {
    let failed = |error| Error::internal("The threads for network requests cannot be started").with_source(error);
    let mut slot = RUNTIME.lock().map_err(|_| Error::internal("An earlier start of the network threads panicked"))?;
    match *slot {
        Some((process, runtime)) if process == std::process::id() => Ok(runtime),
        _ => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(THREADS).thread_name("amplify-io").enable_all();
            let runtime = Box::leak(Box::new(builder.build().map_err(failed)?));
            *slot = Some((std::process::id(), runtime));
            Ok(runtime)
        }
    }
}

/// Waits for `future` on this thread, which must be none of the runtime's.
pub fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    runtime()?.block_on(future)
}
