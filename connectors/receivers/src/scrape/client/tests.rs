use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Path, Request};
use axum::response::IntoResponse;
use axum::routing::get;
use http::StatusCode;
use http::header::{AUTHORIZATION, LOCATION};

use super::*;
use crate::testing::serve;

fn client(options: &HttpOptions, https: bool) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new(options, https, None).expect("no files are named")
}

fn with_token() -> HttpOptions {
    HttpOptions { auth: Auth::Bearer(Secret::Text("t0ken".to_owned())), ..HttpOptions::default() }
}

/// A server with `/show`, which answers what it is shown, and `/to/…`, which sends us to the rest of its path.
async fn server() -> SocketAddr {
    let show = async |request: Request| {
        let shown = request.headers().get(AUTHORIZATION).map_or("nothing", |value| value.to_str().expect("ASCII"));
        shown.to_owned()
    };
    let to = async |Path(there): Path<String>| (StatusCode::FOUND, [(LOCATION, there)]).into_response();
    serve(Router::new().route("/show", get(show)).route("/to/{*there}", get(to))).await
}

async fn ask(client: &Client, url: &str) -> Result<String, String> {
    let url = Url::parse(url).expect("a URL");
    let response = client.get(&url, HeaderMap::new()).await?;
    let body = collect(response, 1000).await?;
    Ok(String::from_utf8(body.to_vec()).expect("text"))
}

#[test]
fn no_proxy_of_the_environment_stands_between() {
    for https in [false, true] {
        let client = client(&HttpOptions::default(), https);
        assert!(!format!("{client:?}").contains("proxies"), "{client:?}");
    }
}

#[tokio::test]
async fn who_we_are_is_shown_to_nobody_else() {
    let (one, other) = (server().await, server().await);
    let client = client(&with_token(), false);
    for (url, shown) in [
        (format!("http://{one}/show"), "Bearer t0ken"),
        (format!("http://{one}/to//show"), "Bearer t0ken"),
        (format!("http://{one}/to//to//show"), "Bearer t0ken"),
        // The same address at another port is somebody else.
        (format!("http://{one}/to/http://{other}/show"), "nothing"),
        (format!("http://{one}/to/http://localhost:{}/show", other.port()), "nothing"),
        // What somebody else chose is not asked for in our name.
        (format!("http://{one}/to/http://{other}/to/http://{one}/show"), "nothing"),
    ] {
        assert_eq!(ask(&client, &url).await.as_deref(), Ok(shown), "{url}");
    }
}

#[tokio::test]
async fn nobody_sends_us_to_a_metadata_service() {
    let (one, other) = (server().await, server().await);
    let client = client(&with_token(), false);
    for there in [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://100.100.100.200/",
        "//169.254.169.254/",
    ] {
        for url in [format!("http://{one}/to/{there}"), format!("http://{one}/to/http://{other}/to/{there}")] {
            let error = ask(&client, &url).await.expect_err("refused");
            assert!(error.contains("a link-local or metadata address"), "{url}: {error}");
        }
    }
    // The same found in a look-up; systems take a number for a name that stands for itself.
    let name: Name = "169.254.169.254".parse().expect("a name");
    let Err(error) = GUARDED.resolve(name).await else { panic!("it is refused") };
    assert!(error.to_string().contains("a name that stands for 169.254.169.254"), "{error}");
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let address = server().await;
    let client = client(&HttpOptions::default(), false);
    for (path, word) in [
        (format!("{}/show", "/to/".repeat(REDIRECTS_MAX)), "nothing"),
        (format!("{}/show", "/to/".repeat(REDIRECTS_MAX + 1)), "more than 10 times"),
        ("/to/file:///etc/passwd".to_owned(), "the scheme 'file'"),
        ("/to/http://[".to_owned(), "no URL"),
    ] {
        let answer = ask(&client, &format!("http://{address}{path}")).await;
        let text = answer.unwrap_or_else(|error| error);
        assert!(text.contains(word), "{path}: {text}");
    }
}
