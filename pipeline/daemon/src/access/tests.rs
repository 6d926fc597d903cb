use super::scope::Scope::{Act, Admin, Read, Write};
use super::testing::{Issuing, Signer, clock, http};
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;

const TOKENS: [(&str, &[Scope]); 3] =
    [("tok-agent", &[Write]), ("tok-grafana", &[Read]), ("tok-operator", &[Read, Act, Admin])];

fn access(http: &Http) -> Access {
    let clock: Arc<dyn Clock> = clock();
    Access::new(Known::load(http, &clock).expect("good tokens"))
}

fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().expect("a header's value"))])
}

async fn kind(access: &Access, headers: &HeaderMap, need: Need) -> Option<DeniedKind> {
    access.check(headers, None, need).await.err().map(|denied| denied.kind)
}

#[tokio::test]
async fn a_token_does_what_it_lists_and_nothing_else() {
    let access = access(&http(&TOKENS));
    use DeniedKind::{Forbidden, Unknown};
    for (token, write, read, act, admin, known) in [
        ("tok-agent", None, Some(Forbidden), Some(Forbidden), Some(Forbidden), None),
        ("tok-grafana", Some(Forbidden), None, Some(Forbidden), Some(Forbidden), None),
        ("tok-operator", Some(Forbidden), None, None, None, None),
        ("tok-nobody", Some(Unknown), Some(Unknown), Some(Unknown), Some(Unknown), Some(Unknown)),
    ] {
        for (need, expected) in [
            (Need::Any(&[Write]), write),
            (Need::Any(&[Read]), read),
            (Need::Any(&[Act]), act),
            (Need::Any(&[Admin]), admin),
            (Need::Known, known),
            (Need::Nothing, None),
        ] {
            assert_eq!(kind(&access, &bearer(token), need).await, expected, "{token} {need:?}");
        }
        let closed = kind(&access, &bearer(token), Need::Any(&[])).await;
        assert!(closed.is_some(), "a path without a row is closed to {token}");
    }
    assert_eq!(kind(&access, &HeaderMap::new(), Need::Any(&[Read])).await, Some(Unknown));
    assert!(access.check(&HeaderMap::new(), Some("u=x&p=tok-agent"), Need::Any(&[Write])).await.is_ok());
    let [(_, unknown), (_, forbidden), _] = access.denials();
    assert_eq!((unknown, forbidden), (7, 10));
}

#[tokio::test]
async fn influx_shows_it_as_token_or_as_password() {
    let access = access(&http(&TOKENS));
    let basic = format!("Basic {}", STANDARD.encode("grafana:tok-grafana"));
    for (value, token) in
        [("Token tok-grafana", true), ("Token user:tok-grafana", true), (&basic, true), ("Token x", false)]
    {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().expect("a header's value"))]);
        assert_eq!(kind(&access, &headers, Need::Any(&[Read])).await.is_none(), token, "{value}");
    }
}

#[tokio::test]
async fn without_tokens_it_is_open_and_with_an_issuer_it_is_not() {
    let open = access(&http(&[]));
    assert!(open.is_open() && kind(&open, &HeaderMap::new(), Need::Any(&[Admin])).await.is_none());

    let signer = Signer::new("one");
    let issuing = Issuing::start(signer.set()).await;
    let both = access(&Http { oidc: Some(issuing.oidc()), ..http(&TOKENS) });
    assert!(!both.is_open());
    let token = signer.token(&issuing.url, "read");
    assert_eq!(kind(&both, &bearer(&token), Need::Any(&[Read])).await, None);
    assert_eq!(kind(&both, &bearer(&token), Need::Any(&[Write])).await, Some(DeniedKind::Forbidden));
    assert_eq!(kind(&both, &bearer("tok-agent"), Need::Any(&[Write])).await, None);
    assert_eq!(issuing.fetches(), 1);
}

#[tokio::test]
async fn other_tokens_hold_from_then_on_and_an_issuer_that_stays_keeps_its_keys() {
    let signer = Signer::new("one");
    let issuing = Issuing::start(signer.set()).await;
    let token = signer.token(&issuing.url, "read");
    let known = |tokens: &[(&str, &[Scope])], oidc: Option<Oidc>| {
        let clock: Arc<dyn Clock> = clock();
        Known::load(&Http { oidc, ..http(tokens) }, &clock).expect("good tokens")
    };
    let access = Access::new(known(&TOKENS[..1], Some(issuing.oidc())));
    let may = async |token: &str, scope| kind(&access, &bearer(token), Need::Any(scope)).await.is_none();
    assert!(may("tok-agent", &[Write]).await && !may("tok-grafana", &[Read]).await && may(&token, &[Read]).await);
    access.replace(known(&TOKENS[1..], Some(issuing.oidc())));
    assert!(!may("tok-agent", &[Write]).await && may("tok-grafana", &[Read]).await && may(&token, &[Read]).await);
    assert_eq!(issuing.fetches(), 1);

    let other = Oidc { scope_prefix: "flyball:".to_owned(), ..issuing.oidc() };
    access.replace(known(&[], Some(other)));
    assert!(!may("tok-grafana", &[Read]).await && !may(&token, &[Read]).await);
    assert_eq!(issuing.fetches(), 2);
    access.replace(known(&[], None));
    assert!(access.is_open());
}

#[tokio::test]
async fn no_message_repeats_what_was_shown() {
    let access = access(&http(&TOKENS));
    for value in ["Bearer tok-wrong", "Token a:tok-wrong", "Basic tok-wrong", "Strange tok-wrong", "tok-wrong"] {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().expect("a header's value"))]);
        let denied = access.check(&headers, None, Need::Known).await.expect_err("it is not known");
        assert!(!denied.message.contains("tok-wrong"), "{}", denied.message);
    }
    let shown = format!("{access:?}");
    assert!(shown.contains("token 0") && !shown.contains("tok-agent"), "{shown}");
}
