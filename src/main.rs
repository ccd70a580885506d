//! The program `gitwarrant`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gitwarrant::cli::main()
}
