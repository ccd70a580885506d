//! The program `gitwarrant`.

use std::process::ExitCode;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use zeroizing_alloc::ZeroAlloc;

/// Wipes every freed block, so that copies made inside HTTP and JSON libraries do not stay behind.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    gitwarrant::telemetry::keep_panics_short();
    if let Err(error) = keep_memory_private() {
        eprintln!("error[memory]: this process's memory cannot be kept private: {error}");
        return ExitCode::from(2);
    }
    gitwarrant::cli::main()
}

/// No core file, no debugger, no `/proc/PID/mem` for others of the same user.
fn keep_memory_private() -> rustix::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}
