//! What a Repository's Secret says: by which names the server is asked, with Flux's names of its entries.

use std::sync::Arc;

use crate::api::Repository;
use crate::git::{Credentials, Identity, Plain, Remote, Url};
use crate::model::Class;
use crate::secret::Secret;

use super::desk::Desk;
use super::polled::Fault;

/// What `repository` is asked with: its address, its Secret, its bounds.
pub(super) async fn remote(desk: &Arc<Desk>, repository: &Repository) -> Result<Remote, Fault> {
    let spec = &repository.spec;
    let plain = if spec.allow_http { Plain::Allow } else { Plain::Refuse };
    let mut remote = Remote::new(Url::parse(&spec.url, plain).map_err(|error| Fault::from(&error))?);
    remote.timeout = spec.timeout.get();
    remote.proxy.clone_from(&spec.proxy);
    let Some(secret) = &spec.secret_ref else { return Ok(remote) };
    let entries = desk.secret(&desk.settings.namespace, &secret.name, "spec.secretRef").await?;
    let (credentials, ca) = credentials(&secret.name, entries)?;
    Ok(Remote { credentials, ca, ..remote })
}

/// What a Secret with Flux's names holds, and the certificates beside it.
fn credentials(
    name: &str,
    entries: impl IntoIterator<Item = (String, Secret)>,
) -> Result<(Credentials, Option<Vec<u8>>), Fault> {
    let (mut username, mut password, mut bearer, mut ca) = (None, None, None, None);
    let (mut identity, mut known_hosts) = (None, None);
    for (key, value) in entries {
        match key.as_str() {
            "username" => username = text(&value),
            "password" => password = Some(value),
            "bearerToken" => bearer = Some(value),
            "identity" => identity = Some(value),
            // The public half is in the private one.
            "identity.pub" => {}
            "known_hosts" => known_hosts = text(&value),
            "ca.crt" => ca = Some(value.expose(<[u8]>::to_vec)),
            other => return Err(unknown_entry(name, other)),
        }
    }
    let credentials = match (identity, known_hosts, username, password, bearer) {
        (Some(key), Some(known_hosts), None, passphrase, None) => {
            Credentials::Ssh(Identity { key, passphrase, known_hosts })
        }
        (None, None, None, None, None) => Credentials::None,
        (None, None, None, None, Some(token)) => Credentials::Bearer(token),
        (None, None, Some(username), Some(password), None) => Credentials::Basic { username, password },
        // A forge's token alone goes as the password; any name will do.
        (None, None, None, Some(password), None) => Credentials::Basic { username: "git".to_owned(), password },
        (Some(_), None, ..) | (None, Some(_), ..) => {
            return Err(unknown_entry(name, "identity without known_hosts, or the other way round"));
        }
        (Some(_), Some(_), ..) | (None, None, Some(_), None, _) | (None, None, _, Some(_), Some(_)) => {
            return Err(unknown_entry(name, "username without password, or several kinds"));
        }
    };
    Ok((credentials, ca))
}

fn text(value: &Secret) -> Option<String> {
    value.expose(|plain| String::from_utf8(plain.to_vec()).ok())
}

fn unknown_entry(secret: &str, entry: &str) -> Fault {
    let message = format!(
        "Secret {secret} of spec.secretRef: {entry:?} is not understood; give username and password, or bearerToken, and \
         ca.crt where the server's authority is not a public one; for ssh:// identity and known_hosts"
    );
    Fault { code: "bad-credentials".to_owned(), class: Class::Misconfigured, message }
}

#[cfg(test)]
mod tests {
    use super::{Credentials, credentials};
    use crate::secret::Secret;

    fn read(entries: &[&str]) -> Result<Credentials, String> {
        let entries = entries.iter().map(|name| ((*name).to_owned(), Secret::new(b"x".to_vec())));
        credentials("git", entries).map(|(credentials, _)| credentials).map_err(|fault| fault.message)
    }

    #[test]
    fn entries_have_fluxs_names() {
        assert!(matches!(read(&["username", "password"]), Ok(Credentials::Basic { .. })));
        assert!(matches!(read(&["password"]), Ok(Credentials::Basic { .. })));
        assert!(matches!(read(&["bearerToken"]), Ok(Credentials::Bearer(_))));
        assert!(matches!(read(&["ca.crt"]), Ok(Credentials::None)));
        assert!(matches!(read(&["identity", "identity.pub", "known_hosts"]), Ok(Credentials::Ssh(_))));
        assert!(matches!(read(&["identity", "password", "known_hosts"]), Ok(Credentials::Ssh(_))));
    }

    #[test]
    fn a_mixture_or_half_of_something_is_refused() {
        for entries in [
            &["username"][..],
            &["password", "bearerToken"],
            &["identity"],
            &["known_hosts"],
            &["identity", "known_hosts", "bearerToken"],
            &["identity", "known_hosts", "username", "password"],
            &["passwort"],
        ] {
            assert!(read(entries).is_err(), "{entries:?}");
        }
    }
}
