//! What a server shows at one moment to one cluster: moved between two looks, or another to each.

use gitwarrant::git::{Commit, Connection, Fetched, Mirror, Plain, Reference, Remote, Url};
use gitwarrant::keysource::Keyring;
use gitwarrant::kustomize::{self, Options};
use gitwarrant::model::{Node, RepoPath, show};
use gitwarrant::sops;
use gitwarrant::trust::{Base, Policy, Reason, Verified, verify};
use jiff::Timestamp;

use super::place::{HOUR, Place, THEN};
use crate::support::gitserver::GitServer;
use crate::support::signing::{By, run};

/// A server of its own for what `place` holds, and one cluster's mirror of it.
struct View {
    folder: tempfile::TempDir,
    server: GitServer,
    mirror: Mirror,
}

impl View {
    fn of(place: &Place) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bare = folder.path().join("served/infra.git");
        std::fs::create_dir_all(&bare).unwrap();
        run(place.signers.git(&bare, THEN).args(["init", "-q", "--bare", "--initial-branch=main", "."]));
        let server = GitServer::start(&folder.path().join("served"));
        let view = Self { mirror: Mirror::new(folder.path()), folder, server };
        view.show(place, "HEAD");
        view
    }

    /// Shows `revision` as the branch.
    fn show(&self, place: &Place, revision: &str) {
        let bare = self.folder.path().join("served/infra.git");
        place.git(&["push", "-q", "--force", bare.to_str().unwrap(), &format!("{revision}:refs/heads/main")]);
    }

    fn judged(&mut self, place: &Place, base: &Base) -> Result<Verified<Commit>, Reason> {
        let remote = Remote::new(Url::parse(&self.server.url("infra.git"), Plain::Allow).unwrap());
        let transport = Connection::new(remote).unwrap();
        let (commit, objects) = self.mirror.fetch(&transport, &Reference::Branch("main".into())).unwrap().into_parts();
        let policy = Policy::read(&place.policy).unwrap();
        let now = Timestamp::from_second(place.now).unwrap();
        verify(Fetched::new(commit, objects), &policy, base, None, now).map_err(|refusal| refusal.reason())
    }
}

/// What renders of a verified commit.
fn rendered(verified: Verified<Commit>) -> String {
    let folder = RepoPath::parse("prod").unwrap();
    let sources = kustomize::gather(verified.into_tree(), &folder, &Options::AGENT).unwrap();
    let sources = sources.judge_inputs().unwrap_or_else(|refusal| panic!("{refusal}"));
    let opened = sops::unseal(sources, &Keyring::not_set()).unwrap_or_else(|errors| panic!("{errors}"));
    let rendered = kustomize::render(opened, &folder, &Options::AGENT).unwrap_or_else(|errors| panic!("{errors}"));
    rendered.objects().iter().map(|object| show::yaml(&Node::Map(object.body().share()))).collect()
}

fn map(value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shown\ndata:\n  value: {value}\n")
}

#[test]
fn a_branch_that_moves_after_the_judgement_changes_nothing_of_what_is_rendered() {
    let place = Place::new();
    let good = place.commit("prod/app.yaml", &map("judged"), By::Ssh(&place.alice), HOUR);
    let mut view = View::of(&place);
    let verified = view.judged(&place, &Base::default()).unwrap_or_else(|reason| panic!("{reason:?}"));
    // Pushed while the agent is between two stages; its mirror learns of it as well.
    place.commit("prod/app.yaml", &map("smuggled"), By::Nobody, 2 * HOUR);
    view.show(&place, "HEAD");
    assert_eq!(view.judged(&place, &Base::default()).map(drop), Err(Reason::Unsigned));
    assert_eq!(verified.commit().head.to_string(), good);
    assert_eq!(rendered(verified), map("judged"));
}

#[test]
fn two_clusters_that_are_shown_different_heads_judge_each_alone_and_neither_takes_the_others() {
    let place = Place::new();
    let one = place.commit("prod/app.yaml", &map("one"), By::Ssh(&place.alice), HOUR);
    let mut first = View::of(&place);
    place.git(&["reset", "-q", "--hard", &place.root]);
    let other = place.commit("prod/app.yaml", &map("other"), By::Ssh(&place.alice), 2 * HOUR);
    let mut second = View::of(&place);
    let head = |judged: Result<Verified<Commit>, Reason>| judged.map(|it| it.commit().head.to_string());
    assert_eq!(head(first.judged(&place, &Base::default())), Ok(one.clone()));
    assert_eq!(head(second.judged(&place, &Base::default())), Ok(other.clone()));
    // Once applied, each holds to its own line, so that the fork comes to light when the views are joined.
    let applied = |id: &str| Base { applied: Some(id.parse().unwrap()), ..Base::default() };
    first.show(&place, &other);
    second.show(&place, &one);
    assert_eq!(head(first.judged(&place, &applied(&one))), Err(Reason::NonFastForward));
    assert_eq!(head(second.judged(&place, &applied(&other))), Err(Reason::NonFastForward));
}
