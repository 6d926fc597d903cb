use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::net::testing::Authority;
use crate::net::{Arrival, Guest, House, Listener, OpenError, Opened};

const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

async fn listen(tls: Option<Arc<Tls>>) -> (Listener, std::net::SocketAddr) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = tcp.local_addr().expect("bound");
    (Listener::new(tcp, tls, House::new(2).seats("test")), address)
}

async fn guest(listener: &Listener) -> Guest {
    match listener.accept().await.expect("accepted") {
        Arrival::Seated(guest) => guest,
        Arrival::Refused(address) => panic!("{address} was refused"),
    }
}

/// What a port makes of a client's first bytes.
async fn open(bytes: &[u8]) -> Result<Opened, OpenError> {
    let (listener, address) = listen(None).await;
    let mut client = TcpStream::connect(address).await.expect("connected");
    client.write_all(bytes).await.expect("written");
    guest(&listener).await.open_within(Duration::from_millis(100)).await
}

#[tokio::test]
async fn what_is_spoken_is_known_from_the_first_bytes_which_stay_to_be_read() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for (bytes, http2) in [(&preface[..], true), (b"GET / HTTP/1.1\r\n", false), (b"PRIVATE / HTTP/1.1\r\n", false)] {
        let mut opened = open(bytes).await.expect("it spoke");
        let mut read = vec![0; bytes.len()];
        opened.stream.read_exact(&mut read).await.expect("all of it");
        assert_eq!((opened.http2, &read[..]), (http2, bytes));
    }
    for bytes in [&b""[..], b"PRI * HTTP/2.0\r\n"] {
        let error = open(bytes).await.expect_err("nothing more came");
        assert!(matches!(error, OpenError::Silent), "{error}");
    }
}

#[tokio::test]
async fn a_connection_beyond_the_bound_is_closed_and_counted() {
    let (listener, address) = listen(None).await;
    let mut guests = Vec::new();
    for _ in 0..2 {
        let client = TcpStream::connect(address).await.expect("connected");
        guests.push((client, guest(&listener).await));
    }
    let mut third = TcpStream::connect(address).await.expect("connected");
    assert!(matches!(listener.accept().await, Ok(Arrival::Refused(_))));
    assert_eq!((third.read(&mut [0]).await.expect("closed"), listener.seats().refused()), (0, 1));
    guests.pop();
    let _client = TcpStream::connect(address).await.expect("connected");
    guest(&listener).await;
}

#[tokio::test]
async fn a_secured_port_speaks_tls_and_says_so_to_who_does_not() {
    let authority = Authority::new();
    authority.certify("server");
    let tls = Arc::new(Tls::load(authority.files("server", false), &PROTOCOLS).expect("good files"));
    let (listener, address) = listen(Some(tls)).await;
    for (offered, http2) in [(&["h2"][..], true), (&["http/1.1"], false), (&[], false)] {
        let tcp = TcpStream::connect(address).await.expect("connected");
        let (client, opened) = tokio::join!(
            async {
                let mut client = authority.connect(tcp, None, offered).await.expect("a handshake");
                client.write_all(b"GET ").await.expect("written");
                client
            },
            async { guest(&listener).await.open().await.expect("opened") }
        );
        assert!(opened.http2 == http2 && opened.stream.is_secure(), "{offered:?}");
        drop(client);
    }
    let mut plain = TcpStream::connect(address).await.expect("connected");
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("written");
    let error = guest(&listener).await.open().await.expect_err("it is not TLS");
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.expect("an answer");
    assert!(matches!(error, OpenError::NotTls) && answer.ends_with("write https in the URL"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(answer.contains(&format!("content-length: {}\r\n", body.len())), "{answer}");
}

#[tokio::test]
async fn a_mutual_port_lets_in_only_who_has_a_certificate_of_its_authority() {
    let (authority, other) = (Authority::new(), Authority::new());
    authority.certify("server");
    authority.certify("agent");
    other.certify("agent");
    let tls = Arc::new(Tls::load(authority.files("server", true), &PROTOCOLS).expect("good files"));
    assert!(tls.is_mutual());
    let (listener, address) = listen(Some(tls)).await;
    // A certificate of somebody else, under the name of ours.
    let stranger = authority.path("stranger.pem");
    std::fs::copy(other.path("agent.pem"), stranger).expect("copied");
    std::fs::copy(other.path("agent.key"), authority.path("stranger.key")).expect("copied");
    for (name, good) in [(Some("agent"), true), (Some("stranger"), false), (None, false)] {
        let tcp = TcpStream::connect(address).await.expect("connected");
        let (_, opened) = tokio::join!(
            async {
                // In TLS 1.3 a client is done before it is judged.
                let mut client = authority.connect(tcp, name, &["h2"]).await.expect("its half of a handshake");
                client.read(&mut [0]).await.is_ok()
            },
            async {
                let opened = guest(&listener).await.open().await;
                opened.map(drop)
            }
        );
        assert_eq!(opened.is_ok(), good, "{name:?}: {opened:?}");
    }
}

#[tokio::test]
async fn new_certificates_are_taken_and_broken_ones_are_not() {
    let authority = Authority::new();
    let first = authority.certify("server");
    let tls = Arc::new(Tls::load(authority.files("server", false), &PROTOCOLS).expect("good files"));
    let (listener, address) = listen(Some(Arc::clone(&tls))).await;
    let shown = async || {
        let tcp = TcpStream::connect(address).await.expect("connected");
        let (client, _) =
            tokio::join!(async { authority.connect(tcp, None, &["h2"]).await.expect("a handshake") }, async {
                guest(&listener).await.open().await.map(drop)
            });
        client.get_ref().1.peer_certificates().expect("shown")[0].clone()
    };
    assert_eq!(shown().await, first);
    assert!(matches!(tls.reload(), Reloaded::Same));

    std::fs::write(authority.path("server.key"), "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n").expect("written");
    let Reloaded::Failed(error) = tls.reload() else { panic!("the key is broken") };
    assert!(error.to_string().contains("server.key") && !error.to_string().contains("c2VjcmV0"), "{error}");
    assert!(matches!(tls.reload(), Reloaded::Same), "told once");
    assert_eq!(shown().await, first);

    std::fs::remove_file(authority.path("server.key")).expect("removed");
    assert!(matches!(tls.reload(), Reloaded::Failed(TlsError::Read { key: "tls.key", .. })));
    assert!(matches!(tls.reload(), Reloaded::Same), "told once");

    let second = authority.certify("server");
    assert!(matches!(tls.reload(), Reloaded::New));
    assert_eq!(shown().await, second);
}

#[test]
fn files_that_can_not_be_used_are_named() {
    let authority = Authority::new();
    authority.certify("one");
    authority.certify("two");
    let one = || authority.files("one", false);
    for (files, words) in [
        (TlsFiles { cert: "/nowhere.pem".into(), ..one() }, "tls.cert: /nowhere.pem can't be read"),
        (TlsFiles { cert: authority.path("one.key"), ..one() }, "one.key holds no certificate in PEM"),
        (TlsFiles { key: authority.path("one.pem"), ..one() }, "one.pem holds no private key"),
        (TlsFiles { key: authority.path("two.key"), ..one() }, "two.key can't be used"),
        (TlsFiles { client_ca: Some(authority.path("two.key")), ..one() }, "tls.client_ca: "),
    ] {
        let error = Tls::load(files, &PROTOCOLS).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
}
