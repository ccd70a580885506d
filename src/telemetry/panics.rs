//! What a panic says: where it was, and nothing of what it was about.

use std::io::Write;
use std::panic::{Location, PanicHookInfo, set_hook};

/// Lets every panic of this process name its place alone.
///
/// The usual message quotes what was worked on: a text that is cut inside a letter is printed whole, and it can be a
/// decrypted one.
pub fn keep_panics_short() {
    set_hook(Box::new(|panic| drop(std::io::stderr().write_all(told(panic).as_bytes()))));
}

fn told(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), Location::to_string);
    format!("error[panic]: broke down at {place}; please report it\n")
}

#[cfg(test)]
mod tests {
    use super::told;
    use std::panic::{catch_unwind, set_hook, take_hook};
    use std::sync::mpsc::channel;

    #[test]
    fn a_panic_about_a_secret_does_not_quote_it() {
        let usual = take_hook();
        let (say, said) = channel();
        set_hook(Box::new(move |panic| drop(say.send(told(panic)))));
        let ended = catch_unwind(|| {
            let secret = String::from("hunter2é");
            secret[..8].len()
        });
        set_hook(usual);
        assert!(ended.is_err());
        let all: Vec<String> = said.iter().collect();
        assert!(all.iter().any(|one| one.contains("src/telemetry/panics.rs:")), "{all:?}");
        assert!(!all.iter().any(|one| one.contains("hunter2")), "{all:?}");
    }
}
