//! The one thread that GPU work of burn runs on, with a way to let short work in between the steps of long work.

use super::guard::catch;
use super::{ComputeDevice, DeviceError};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::cell::Cell;

type Task = Box<dyn FnOnce(&Compute) + Send>;

/// What a task sees: the device, and the queue of short tasks.
pub struct Compute {
    device: ComputeDevice,
    short: Option<Receiver<Task>>,
    busy: Cell<bool>,
}

impl Compute {
    /// For work on the calling thread (the CPU backend needs no thread of its own); nothing is ever pending.
    pub fn here(device: ComputeDevice) -> Self {
        Self { device, short: None, busy: Cell::new(false) }
    }

    /// The device to work on.
    pub fn device(&self) -> &ComputeDevice {
        &self.device
    }

    /// Runs the short tasks that wait. Training calls it between steps, so that a prediction asked for in the window
    /// waits for one step and not for the end of the run. A short task that calls it itself gets nothing.
    pub fn run_pending(&self) {
        let Some(short) = &self.short else { return };
        if self.busy.replace(true) {
            return;
        }
        while let Ok(task) = short.try_recv() {
            task(self);
        }
        self.busy.set(false);
    }
}

/// Handle of the thread; when the last one is dropped the thread ends after its current task. Cheap to share.
#[derive(Clone)]
pub struct ComputeThread {
    device: ComputeDevice,
    short: Sender<Task>,
    long: Sender<Task>,
}

impl ComputeThread {
    /// Starts the thread that owns all work on `device`.
    ///
    /// # Errors
    /// [`DeviceError::Failed`] when the system refuses a thread.
    pub fn start(device: ComputeDevice) -> Result<Self, DeviceError> {
        let (short, short_receiver) = unbounded::<Task>();
        let (long, long_receiver) = unbounded::<Task>();
        let compute = Compute { device: device.clone(), short: Some(short_receiver.clone()), busy: Cell::new(false) };
        std::thread::Builder::new()
            .name("compute".into())
            .stack_size(16 << 20)
            .spawn(move || {
                loop {
                    compute.run_pending();
                    crossbeam_channel::select_biased! {
                        recv(short_receiver) -> task => match task {
                            Ok(task) => task(&compute),
                            Err(_) => return,
                        },
                        recv(long_receiver) -> task => match task {
                            Ok(task) => task(&compute),
                            Err(_) => return,
                        },
                    }
                }
            })
            .map_err(|e| DeviceError::Failed { what: "starting the compute thread", reason: e.to_string() })?;
        Ok(Self { device, short, long })
    }

    /// The device the thread owns.
    pub fn device(&self) -> &ComputeDevice {
        &self.device
    }

    /// Queues short work (a prediction, a proof run). It runs between the steps of any long work.
    ///
    /// The receiver gives the result once; a panic inside, or the end of the thread, is an error.
    pub fn submit<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Compute) -> T + Send + 'static,
    ) -> Receiver<Result<T, DeviceError>> {
        queue(&self.short, what, work)
    }

    /// Queues long work (training), which calls [`Compute::run_pending`] often. One runs after the other.
    pub fn submit_long<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Compute) -> T + Send + 'static,
    ) -> Receiver<Result<T, DeviceError>> {
        queue(&self.long, what, work)
    }
}

/// Waits for what [`ComputeThread::submit`] promised.
pub(crate) fn wait<T>(what: &'static str, receiver: &Receiver<Result<T, DeviceError>>) -> Result<T, DeviceError> {
    receiver.recv().unwrap_or_else(|_| Err(ended(what)))
}

fn ended(what: &'static str) -> DeviceError {
    DeviceError::Failed { what, reason: "the compute thread has ended".into() }
}

fn queue<T: Send + 'static>(
    sender: &Sender<Task>,
    what: &'static str,
    work: impl FnOnce(&Compute) -> T + Send + 'static,
) -> Receiver<Result<T, DeviceError>> {
    let (result, receiver) = bounded(1);
    // A failed send drops the task and with it `result`: the receiver then reports the thread's end.
    let _ = sender.send(Box::new(move |compute: &Compute| {
        let _ = result.send(catch(what, || work(compute)));
    }));
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{DeviceChoice, compute_device};

    #[test]
    fn short_work_runs_between_the_steps_of_long_work_and_panics_are_kept() {
        let device = compute_device(DeviceChoice::Cpu, None).unwrap();
        let thread = ComputeThread::start(device).unwrap();
        let (started, go) = (bounded::<()>(1), bounded::<()>(1));
        let long = thread.submit_long("training", move |compute| {
            started.0.send(()).unwrap();
            go.1.recv().unwrap();
            compute.run_pending();
            "trained"
        });
        started.1.recv().unwrap();
        let short = thread.submit("predicting", |_| 7);
        let broken = thread.submit("predicting", |_| -> u8 { panic!("device lost") });
        go.0.send(()).unwrap();
        assert_eq!(wait("predicting", &short), Ok(7));
        let error = wait("predicting", &broken).unwrap_err();
        assert!(error.to_string().contains("device lost"), "{error}");
        assert_eq!(wait("training", &long), Ok("trained"));
    }
}
