//! Packs as they come in: bounded, indexed, every object hashed once. Nothing in them is believed for that.

use std::error::Error as StdError;
use std::io::{BufRead, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use gix::odb::pack;
use gix::progress::prodash::messages::MessageLevel;
use gix::progress::prodash::progress::{Id, Step, StepShared, UNKNOWN};
use gix::progress::{Count, NestedProgress, Progress, prodash};

use super::Algorithm;

/// Writes the pack in `stream` and its index into `folder`. An empty pack is taken, and leaves nothing.
///
/// # Errors
/// Where it is no pack, is cut, does not match its own checksum, has more than 4,000,000 objects, inflates to more than
/// 64 GiB, takes more than ten minutes, or holds an object that cannot be made within 192 MiB. Nothing stays behind then.
/// A library that breaks off over it refuses it too.
pub(super) fn store(stream: &mut dyn BufRead, folder: &Path, algorithm: Algorithm) -> Result<(), Reason> {
    let mut header = [0; 12];
    stream.read_exact(&mut header)?;
    let [b'P', b'A', b'C', b'K', 0, 0, 0, 2, a, b, c, d] = header else {
        return Err("it does not begin as a pack of version 2".into());
    };
    if u32::from_be_bytes([a, b, c, d]) > MAX_OBJECTS {
        return Err("it has more than 4,000,000 objects".into());
    }
    let options = pack::bundle::write::Options {
        thread_limit: Some(2),
        iteration_mode: pack::data::input::Mode::Verify,
        alloc_limit_bytes: Some(MAX_DECODING),
        ..pack::bundle::write::Options::default()
    };
    let inflated = Inflated::default();
    let stop = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let (done, wait) = mpsc::channel::<()>();
        let (inflated, stop) = (&inflated, &stop);
        scope.spawn(move || watch(&wait, inflated, stop));
        // A chain of more than 65,535 deltas overflows a counter of the library, which ends a build with checks.
        let written = catch_unwind(AssertUnwindSafe(|| {
            pack::Bundle::write_to_directory(
                &mut Cursor::new(header).chain(stream),
                Some(folder),
                &mut inflated.child(UNKNOWN),
                stop,
                None::<gix::odb::Handle>,
                algorithm.into(),
                options,
            )
        }));
        drop(done);
        written
    });
    if stop.load(Ordering::Relaxed) {
        return Err("it inflates to more than 64 GiB, or takes more than ten minutes to index".into());
    }
    let written = written.map_err(|_| "indexing it broke off")?.map_err(|error| error.to_string())?;
    // It keeps a pack from being tidied away, which nobody does here.
    written.keep_path.map_or(Ok(()), std::fs::remove_file)?;
    Ok(())
}

/// Stops the work when it inflates too much or takes too long; returns when `wait` is closed.
fn watch(wait: &mpsc::Receiver<()>, inflated: &Inflated, stop: &AtomicBool) {
    let start = Instant::now();
    while let Err(mpsc::RecvTimeoutError::Timeout) = wait.recv_timeout(Duration::from_millis(100)) {
        if inflated.bytes.load(Ordering::Relaxed) > MAX_INFLATED || start.elapsed() > MAX_TIME {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Why a pack was not taken.
pub(super) type Reason = Box<dyn StdError + Send + Sync>;

/// Counts the bytes that entries inflate to, which is one of the things the library reports as progress.
#[derive(Default)]
struct Inflated {
    bytes: Arc<AtomicUsize>,
    /// What else is counted; the library reads such counts back.
    other: Arc<AtomicUsize>,
    id: Id,
}

impl Inflated {
    fn child(&self, id: Id) -> Self {
        Self { bytes: Arc::clone(&self.bytes), other: Arc::default(), id }
    }

    fn count(&self) -> &Arc<AtomicUsize> {
        if self.id == INFLATED { &self.bytes } else { &self.other }
    }
}

impl Count for Inflated {
    fn set(&self, step: Step) {
        self.count().store(step, Ordering::Relaxed);
    }

    fn step(&self) -> Step {
        self.count().load(Ordering::Relaxed)
    }

    fn inc_by(&self, step: Step) {
        self.count().fetch_add(step, Ordering::Relaxed);
    }

    fn counter(&self) -> StepShared {
        Arc::clone(self.count())
    }
}

impl Progress for Inflated {
    fn init(&mut self, _max: Option<Step>, _unit: Option<prodash::Unit>) {}

    fn set_name(&mut self, _name: String) {}

    fn name(&self) -> Option<String> {
        None
    }

    fn id(&self) -> Id {
        self.id
    }

    fn message(&self, _level: MessageLevel, _message: String) {}
}

impl NestedProgress for Inflated {
    type SubProgress = Self;

    fn add_child(&mut self, _name: impl Into<String>) -> Self {
        self.child(UNKNOWN)
    }

    fn add_child_with_id(&mut self, _name: impl Into<String>, id: Id) -> Self {
        self.child(id)
    }
}

/// What the library calls both the bytes of entries and those of the objects made of them.
///
/// Source: `gix_pack::index::write::ProgressId`.
const INFLATED: Id = *b"IWDB";
/// Upper bound on the objects of one pack: twice those of a repository with 100,000 commits and large trees.
const MAX_OBJECTS: u32 = 4_000_000;
/// Upper bound on the memory that one object may take while it is made, in bytes; see [`super::objects`].
const MAX_DECODING: usize = 192 << 20;
/// Upper bound on all objects of a pack together, in bytes.
const MAX_INFLATED: usize = 64 << 30;
/// Upper bound on the time one pack may take.
const MAX_TIME: Duration = Duration::from_mins(10);
