//! The story of `cargo demo`, checked.

use std::path::Path;

use crate::support::story::{World, tell};

#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_the_demo_happens_as_told() {
    let mut world = World::make(Path::new(env!("CARGO_BIN_EXE_gitwarrant"))).await.unwrap();
    let told = tell(&mut world, &mut |_| {}).await;
    world.leave().await;
    told.unwrap();
}
