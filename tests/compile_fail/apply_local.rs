//! What comes out of a working directory is planned, and never applied.

use gitwarrant::cluster::Cluster;
use gitwarrant::plan::Plan;
use gitwarrant::trust::Local;

async fn apply(cluster: &impl Cluster, plan: Plan<Local>) {
    let _applied = cluster.apply(plan).await;
}

fn main() {}
