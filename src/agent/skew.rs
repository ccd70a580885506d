//! Whether the agent's clock can be believed: what is stale, expired or not valid yet is told by it.
//!
//! The API server's clock is another one that somebody else keeps. Where the two differ nobody can say which is right;
//! that they differ is told, and nothing else follows from it.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use tracing::warn;

use super::desk::Desk;
use super::status::Holds;

/// Between two looks at the API server's clock.
const PAUSE: Duration = Duration::from_secs(60);

/// Clocks that are kept differ by less.
const APART: SignedDuration = SignedDuration::from_mins(5);

/// Compares the clocks for as long as the agent lives.
pub(super) async fn compare(desk: Arc<Desk>) {
    loop {
        if let Some(theirs) = theirs(&desk).await {
            let suspect = suspect(desk.clock.now(), theirs);
            desk.metrics.clock_suspect(suspect.is_some());
            let news = desk.suspect_clock(suspect.clone());
            if let Some(suspect) = suspect.filter(|_| news) {
                warn!(message = %suspect.message, "the clock is suspect");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What the API server says the time is; an answer that took long says little, and is far from what is looked for.
async fn theirs(desk: &Desk) -> Option<Timestamp> {
    let request = Request::get("/version").body(Body::empty()).ok()?;
    let answer = desk.client.send(request).await.ok()?;
    said(answer.headers().get(http::header::DATE)?.to_str().ok()?)
}

fn said(date: &str) -> Option<Timestamp> {
    Some(rfc2822::parse(date).ok()?.timestamp())
}

/// Why the clock cannot be believed, where it cannot.
fn suspect(ours: Timestamp, theirs: Timestamp) -> Option<Holds> {
    let apart = ours.duration_since(theirs);
    if apart.abs() <= APART {
        return None;
    }
    let (minutes, way) = (apart.as_mins().abs(), if apart.is_positive() { "ahead of" } else { "behind" });
    let message = format!(
        "the agent's clock is {minutes} minutes {way} the API server's; ages and expiry dates are told by it. Set the \
         node's clock, or the control plane's"
    );
    Some(Holds::yes("ClocksDiffer", message))
}

#[cfg(test)]
mod tests {
    use super::{said, suspect};

    fn at(text: &str) -> jiff::Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn clocks_that_differ_by_more_than_five_minutes_are_suspect_whichever_is_ahead() {
        let theirs = said("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(theirs, at("1994-11-06T08:49:37Z"));
        for fine in ["1994-11-06T08:49:37Z", "1994-11-06T08:54:37Z", "1994-11-06T08:44:37Z"] {
            assert_eq!(suspect(at(fine), theirs), None, "{fine}");
        }
        let ahead = suspect(at("1994-11-06T09:00:00Z"), theirs).unwrap().message;
        assert!(ahead.contains("10 minutes ahead of the API server's"), "{ahead}");
        let behind = suspect(at("1993-11-06T08:49:37Z"), theirs).unwrap().message;
        assert!(behind.contains("525600 minutes behind the API server's"), "{behind}");
        assert_eq!(said("yesterday"), None);
    }
}
