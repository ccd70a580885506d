//! Who the agent is, in the API server's words: its ServiceAccount can have any name.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};

use crate::policy::Agent;

use super::Error;
use super::desk::Desk;

impl Desk {
    /// The agent's namespace and ServiceAccount. Asked once; where the API server does not tell, the usual name.
    pub(super) async fn agent(&self) -> Result<Agent, Error> {
        let usual = Agent { namespace: self.settings.namespace.clone(), ..Agent::default() };
        let ask = async || {
            let api = Api::<SelfSubjectReview>::all(self.client.clone());
            let answer = match api.create(&PostParams::default(), &SelfSubjectReview::default()).await {
                Ok(answer) => answer,
                // Older than Kubernetes 1.28, or somebody took the right away that everybody has.
                Err(kube::Error::Api(status)) if matches!(status.code, 403..=405) => return Ok(usual.clone()),
                Err(fault) => return Err(Error::request("SelfSubjectReview".to_owned(), &fault)),
            };
            let user = answer.status.and_then(|status| status.user_info).and_then(|info| info.username);
            let name = user.as_deref().and_then(|user| account(user, &usual.namespace));
            Ok(name.map_or_else(|| usual.clone(), |name| Agent { service_account: name.to_owned(), ..usual.clone() }))
        };
        self.account.get_or_try_init(ask).await.cloned()
    }
}

/// The name of the ServiceAccount of `namespace` that `user` is.
fn account<'a>(user: &'a str, namespace: &str) -> Option<&'a str> {
    let (of, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (of == namespace).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::account;

    #[test]
    fn the_agents_account_is_the_one_that_the_api_server_names() {
        assert_eq!(account("system:serviceaccount:ops:prod-gitwarrant", "ops"), Some("prod-gitwarrant"));
        assert_eq!(account("system:serviceaccount:elsewhere:gitwarrant", "ops"), None);
        assert_eq!(account("kubernetes-admin", "ops"), None);
    }
}
