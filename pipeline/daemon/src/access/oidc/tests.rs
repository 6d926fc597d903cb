use flyball_model::ManualClock;

use super::super::scope::Scope;
use super::super::testing::{Issuing, Signer, clock};
use super::*;

struct Setting {
    issuing: Arc<Issuing>,
    issuer: Issuer,
    clock: Arc<ManualClock>,
}

impl Setting {
    async fn new(signer: &Signer) -> Self {
        let (issuing, clock) = (Issuing::start(signer.set()).await, clock());
        let issuer = Issuer::new(&issuing.oidc(), Arc::clone(&clock) as _).expect("a client");
        Self { issuing, issuer, clock }
    }

    async fn judge(&self, signer: &Signer) -> Result<Scopes, DeniedKind> {
        let token = signer.token(&self.issuing.url, "write");
        self.issuer.judge(&token).await.map_err(|denied| denied.kind)
    }
}

fn write() -> Result<Scopes, DeniedKind> {
    Ok(Scopes::from_iter([Scope::Write]))
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_for_a_new_one() {
    let (first, second, third) = (Signer::new("first"), Signer::new("second"), Signer::new("third"));
    let setting = Setting::new(&first).await;
    for _ in 0..3 {
        assert_eq!(setting.judge(&first).await, write());
    }
    assert_eq!(setting.issuing.fetches(), 1);

    // A token with a key that was not there a moment ago: its issuer is not asked again so soon, and its sender must not give up.
    *setting.issuing.set.lock() = Some(second.set());
    assert_eq!(setting.judge(&second).await, Err(DeniedKind::Unavailable));
    assert_eq!(setting.issuing.fetches(), 1);
    setting.clock.advance(FETCH_PAUSE);
    assert_eq!(setting.judge(&second).await, write());
    for _ in 0..10 {
        assert_eq!(setting.judge(&first).await, Err(DeniedKind::Unavailable), "it may have come back");
        assert_eq!(setting.judge(&third).await, Err(DeniedKind::Unavailable));
    }
    assert_eq!(setting.issuing.fetches(), 2);
    // Only who had the issuer asked hears that it does not know the key.
    for gone in [&first, &third] {
        setting.clock.advance(FETCH_PAUSE);
        assert_eq!(setting.judge(gone).await, Err(DeniedKind::Unknown));
    }
    assert_eq!(setting.issuing.fetches(), 4);
}

#[tokio::test]
async fn tokens_without_a_keys_name_have_the_keys_fetched_too() {
    let (first, second, third) = (Signer::new("first"), Signer::new("second"), Signer::new("third"));
    let setting = Setting::new(&first).await;
    let judge = async |signer: &Signer| {
        let token = signer.nameless_token(&setting.issuing.url, "write");
        setting.issuer.judge(&token).await.map_err(|denied| denied.kind)
    };
    assert_eq!(judge(&first).await, write());
    *setting.issuing.set.lock() = Some(second.set());
    assert_eq!(judge(&second).await, Err(DeniedKind::Unavailable), "not asked again so soon");
    assert_eq!(setting.issuing.fetches(), 1);
    setting.clock.advance(FETCH_PAUSE);
    assert_eq!(judge(&second).await, write());
    assert_eq!(judge(&third).await, Err(DeniedKind::Unavailable));
    setting.clock.advance(FETCH_PAUSE);
    assert_eq!(judge(&third).await, Err(DeniedKind::Unknown));
    assert_eq!(setting.issuing.fetches(), 3);
}

#[tokio::test]
async fn what_no_new_key_could_mend_is_refused_at_once() {
    let (signer, forger) = (Signer::new("first"), Signer::new("first"));
    let setting = Setting::new(&signer).await;
    for _ in 0..3 {
        assert_eq!(setting.judge(&signer).await, write());
        assert_eq!(setting.judge(&forger).await, Err(DeniedKind::Unknown), "not the key of that name");
        let elsewhere = signer.token("https://id.example", "write");
        let denied = setting.issuer.judge(&elsewhere).await.expect_err("of another issuer");
        assert_eq!(denied.kind, DeniedKind::Unknown);
        setting.clock.advance(FETCH_PAUSE);
    }
    assert_eq!(setting.issuing.fetches(), 1);
}

#[tokio::test]
async fn while_the_issuer_is_down_known_keys_go_on_and_unknown_ones_are_told_to_come_again() {
    let (first, second) = (Signer::new("first"), Signer::new("second"));
    let setting = Setting::new(&first).await;
    *setting.issuing.set.lock() = None;
    assert_eq!(setting.judge(&first).await, Err(DeniedKind::Unavailable), "nothing is known yet");
    *setting.issuing.set.lock() = Some(first.set());
    assert_eq!(setting.judge(&first).await, Err(DeniedKind::Unavailable), "not asked again so soon");
    assert_eq!(setting.issuing.fetches(), 1);
    setting.clock.advance(FETCH_PAUSE);
    assert_eq!(setting.judge(&first).await, write());

    *setting.issuing.set.lock() = None;
    setting.issuer.refresh().await;
    assert_eq!(setting.judge(&first).await, write());
    assert_eq!(setting.judge(&second).await, Err(DeniedKind::Unavailable));

    // A set without a usable key is no set.
    *setting.issuing.set.lock() = Some(serde_json::json!({"keys": []}));
    setting.issuer.refresh().await;
    assert_eq!(setting.judge(&first).await, write());
}

#[tokio::test]
async fn the_file_of_authorities_is_read_with_each_fetch() {
    let (first, second) = (Signer::new("first"), Signer::new("second"));
    let mut setting = Setting::new(&first).await;
    let dir = tempfile::tempdir().expect("a folder");
    let ca = dir.path().join("ca.pem");
    let write_ca = |pem: &str| std::fs::write(&ca, pem).expect("a writable folder");
    write_ca("");
    let oidc = Oidc { ca: Some(ca.clone()), ..setting.issuing.oidc() };
    setting.issuer = Issuer::new(&oidc, Arc::clone(&setting.clock) as _).expect("a client");
    assert_eq!(setting.judge(&first).await, write());

    write_ca("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n");
    *setting.issuing.set.lock() = Some(second.set());
    setting.clock.advance(FETCH_PAUSE);
    assert_eq!(setting.judge(&second).await, Err(DeniedKind::Unavailable));
    assert_eq!(setting.judge(&first).await, write(), "its keys go on");
    write_ca("");
    setting.clock.advance(FETCH_PAUSE);
    assert_eq!(setting.judge(&second).await, write());
    assert_eq!(setting.issuing.fetches(), 2);
}

#[tokio::test]
async fn a_key_that_was_withdrawn_is_gone_after_a_refresh() {
    let (first, second) = (Signer::new("first"), Signer::new("second"));
    let setting = Setting::new(&first).await;
    assert_eq!(setting.judge(&first).await, write());
    *setting.issuing.set.lock() = Some(second.set());
    setting.issuer.refresh().await;
    assert_eq!(setting.judge(&first).await, Err(DeniedKind::Unavailable), "it may have been made again");
    setting.clock.advance(FETCH_PAUSE);
    assert_eq!(setting.judge(&first).await, Err(DeniedKind::Unknown));
}

#[tokio::test]
async fn a_description_of_somebody_else_is_not_followed() {
    let signer = Signer::new("first");
    let setting = Setting::new(&signer).await;
    *setting.issuing.alias.lock() = Some("https://id.example".to_owned());
    assert_eq!(setting.judge(&signer).await, Err(DeniedKind::Unavailable));
    assert_eq!(setting.issuing.fetches(), 0);

    let keys = Some(format!("{}/keys", setting.issuing.url));
    let oidc = Oidc { jwks_url: keys, ..setting.issuing.oidc() };
    let issuer = Issuer::new(&oidc, Arc::clone(&setting.clock) as _).expect("a client");
    let token = signer.token(&setting.issuing.url, "write");
    assert!(issuer.judge(&token).await.is_ok(), "where the keys are is configured, nothing has to be described");
}
