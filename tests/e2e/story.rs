//! The story of `cargo demo`, checked.

use std::path::Path;

use crate::support::story::{Heard, World, tell};

#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_the_demo_happens_as_told() {
    let mut world = World::make(Path::new(env!("CARGO_BIN_EXE_gitwarrant"))).await.unwrap();
    let told = tell(&mut world, &mut |heard| print(&heard)).await;
    world.leave().await;
    told.unwrap();
}

/// Kept back by the harness until the test has failed.
fn print(heard: &Heard<'_>) {
    match heard {
        Heard::Begins(title) => println!("{title}"),
        Heard::Happened(saw, took) => println!("  {}\n  {took:.2?}", saw.join("\n  ")),
        Heard::Failed(reason, took) => println!("  FAILED after {took:.2?}: {reason}"),
    }
}
