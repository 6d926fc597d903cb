//! The file that kubectl reads: its current context's cluster and user.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flyball_yaml::{Node, Source, Value, parse};

use super::super::super::options::{Auth, HttpOptions, Pem, Secret, TlsOptions};
use super::api::Access;

/// Reads a file's text; paths in it are relative to `folder`.
///
/// # Errors
/// A sentence that names what is missing or not supported.
pub(super) fn access(name: &str, text: &str, folder: &Path) -> Result<Access, String> {
    let source = Source::new(name, text);
    let root = parse(&source).map_err(|problem| problem.to_string())?;
    let current = text_of(&root, "current-context").ok_or_else(|| format!("{name}: there is no current-context"))?;
    let context = entry(&root, "contexts", current, "context")
        .ok_or_else(|| format!("{name}: the current context '{current}' is not among the contexts"))?;
    let part = |list: &str, key: &str| {
        let wanted = text_of(context, key).unwrap_or_default();
        entry(&root, list, wanted, key).ok_or_else(|| format!("{name}: {key} '{wanted}' is not among the {list}"))
    };
    let cluster = part("clusters", "cluster")?;
    let server = text_of(cluster, "server").ok_or_else(|| format!("{name}: the cluster has no server"))?;
    let pem = |node: &Node, key: &str| -> Result<Option<Pem>, String> {
        if let Some(data) = text_of(node, &format!("{key}-data")) {
            let bytes = STANDARD.decode(data.trim());
            return bytes.map(|bytes| Some(Pem::Text(bytes))).map_err(|error| format!("{name}: {key}-data: {error}"));
        }
        Ok(text_of(node, key).map(|path| Pem::File(folder.join(path))))
    };
    let mut tls = TlsOptions {
        ca: pem(cluster, "certificate-authority")?,
        server_name: text_of(cluster, "tls-server-name").map(str::to_owned),
        insecure_skip_verify: text_of(cluster, "insecure-skip-tls-verify") == Some("true"),
        ..TlsOptions::default()
    };
    let mut auth = Auth::None;
    if text_of(context, "user").is_some() {
        let user = part("users", "user")?;
        for key in ["exec", "auth-provider"] {
            if user.get(key).is_some() {
                return Err(format!(
                    "{name}: users that log in with '{key}' are not supported; use a token or a certificate"
                ));
            }
        }
        tls.cert = pem(user, "client-certificate")?;
        tls.key = pem(user, "client-key")?;
        auth = match (text_of(user, "token"), text_of(user, "tokenFile"), text_of(user, "username")) {
            (Some(token), _, _) => Auth::Bearer(Secret::Text(token.to_owned())),
            (None, Some(path), _) => Auth::Bearer(Secret::File(folder.join(path))),
            (None, None, Some(username)) => {
                let password = Secret::Text(text_of(user, "password").unwrap_or_default().to_owned());
                Auth::Basic { username: username.to_owned(), password }
            }
            (None, None, None) => Auth::None,
        };
    }
    let http = HttpOptions { tls, auth, ..HttpOptions::default() };
    Ok(Access { server: server.to_owned(), http, namespace: text_of(context, "namespace").map(str::to_owned) })
}

fn text_of<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// What stands under `key` in the item of a list that has this name.
fn entry<'a>(root: &'a Node, list: &str, name: &str, key: &str) -> Option<&'a Node> {
    let Value::List(items) = &root.get(list)?.value else { return None };
    items.iter().find(|item| text_of(item, "name") == Some(name))?.get(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
current-context: b
contexts:
- {name: a, context: {cluster: other, user: other}}
- {name: b, context: {cluster: c, user: u, namespace: shop}}
clusters:
- {name: c, cluster: {server: 'https://h:6443', certificate-authority-data: cGVt, tls-server-name: kube}}
users:
- {name: u, user: {token: secret, client-certificate: certs/u.crt, client-key: /abs/u.key}}
";

    #[test]
    fn the_current_context_says_where_and_who() {
        let Access { server, http, namespace } = access("k", FILE, Path::new("/home/u/.kube")).expect("a good file");
        assert_eq!((server.as_str(), namespace.as_deref()), ("https://h:6443", Some("shop")));
        assert_eq!(http.auth, Auth::Bearer(Secret::Text("secret".to_owned())));
        let TlsOptions { ca, cert, key, server_name, insecure_skip_verify } = http.tls;
        assert_eq!(ca, Some(Pem::Text(b"pem".to_vec())));
        assert_eq!(cert, Some(Pem::File("/home/u/.kube/certs/u.crt".into())));
        assert_eq!(key, Some(Pem::File("/abs/u.key".into())));
        assert_eq!((server_name.as_deref(), insecure_skip_verify), (Some("kube"), false));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (from, to, expected) in [
            ("current-context: b", "current-context: x", "k: the current context 'x' is not among the contexts"),
            ("current-context: b\n", "", "k: there is no current-context"),
            ("name: c, cluster", "name: d, cluster", "k: cluster 'c' is not among the clusters"),
            ("name: u, user", "name: v, user", "k: user 'u' is not among the users"),
            ("server: 'https://h:6443', ", "", "k: the cluster has no server"),
            ("cGVt", "'&'", "k: certificate-authority-data: Invalid"),
            ("token: secret", "exec: {command: aws}", "k: users that log in with 'exec' are not supported"),
        ] {
            let error = access("k", &FILE.replace(from, to), Path::new(".")).expect_err(expected);
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
