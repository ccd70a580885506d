//! The control plane itself is what the other tests take it for.

use super::ControlPlane;

#[tokio::test]
async fn the_control_plane_serves_and_its_controllers_work() {
    let plane = ControlPlane::shared();
    let client = plane.client().await.unwrap();
    let accounts = kube::Api::<k8s_openapi::api::core::v1::ServiceAccount>::namespaced(client.clone(), "default");
    client.apiserver_version().await.unwrap();
    if plane.has_controllers() {
        accounts.get("default").await.unwrap();
    } else {
        eprintln!("not checked: controllers, of which KUBEBUILDER_ASSETS has none");
    }
}

#[test]
fn a_missing_tool_is_named_with_how_to_get_it() {
    let message = crate::support::tools::find("no-such-tool").unwrap_err();
    assert_eq!(message, "`no-such-tool` is needed and is not in PATH: install it");
}
