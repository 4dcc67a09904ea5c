//! Threads for long work on the processor that leave it to whoever else wants it.

use std::sync::Arc;

/// How much a thread gives way to others, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// To what draws and paints: predictions.
    Some = 10,
    /// To everything: training.
    All = 19,
}

/// Lowers the priority of the calling thread, where the system can do that for one thread (Linux). Work goes on at full
/// speed on an idle machine; a window that wants to draw comes first.
pub fn yield_to_others(patience: Patience) {
    #[cfg(not(target_os = "linux"))]
    let _ = patience;
    #[cfg(target_os = "linux")]
    {
        // On Linux this speaks of the calling thread alone. A system that refuses leaves the thread as it is.
        let _ = rustix::process::setpriority_process(None, patience as i32);
    }
}

/// A pool of as many threads as there are processors, all of them patient; `None` where the system
/// refuses threads. What runs inside [`BackgroundPool::run`] and uses rayon runs there.
pub struct BackgroundPool(Option<Arc<rayon::ThreadPool>>);

impl Clone for BackgroundPool {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl BackgroundPool {
    /// Starts the threads.
    pub fn new(patience: Patience) -> Self {
        let pool = rayon::ThreadPoolBuilder::new()
            .thread_name(|n| format!("background-{n}"))
            // As the threads of jobs: gradients of deep networks need more than the system's usual 2 MiB.
            .stack_size(16 << 20)
            .start_handler(move |_| yield_to_others(patience))
            .build();
        Self(pool.ok().map(Arc::new))
    }

    /// Runs `work` on the pool and waits for it; on the calling thread where there is no pool.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_the_pool_is_patient() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        assert_eq!(BackgroundPool::new(Patience::All).run(nice), 19);
        assert_eq!(nice(), before);
    }
}
