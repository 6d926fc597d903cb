//! Single requests beside the load.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::Request;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::answer::Answer;
use crate::clock;

/// The token that InfluxDB is set up with. Its data goes with its folder.
pub(super) const INFLUX_TOKEN: &str = "bench-token";

/// How long InfluxDB may take until it can be set up.
const SET_UP: Duration = Duration::from_secs(30);

/// Posts a document and gives the one that was answered.
///
/// # Errors
/// When there is no answer, or none of success.
pub(crate) async fn post_json(address: SocketAddr, path: &str, document: &Value) -> Result<Value> {
    let request = Request::post(path)
        .header(HOST, address.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(document.to_string())))?;
    Ok(serde_json::from_str(&ask(address, request).await?)?)
}

/// Gets a page.
///
/// # Errors
/// When there is no answer, or none of success.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<String> {
    let request = Request::get(path).header(HOST, address.to_string()).body(Full::default())?;
    ask(address, request).await
}

async fn ask(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(super::connect(address).await?)).await?;
    tokio::spawn(connection);
    let path = request.uri().clone();
    let answer = Answer::read(sender.send_request(request).await?).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(answer.status.is_success(), "{path}: {}: {text}", answer.status);
    Ok(text)
}

/// Makes the organisation, bucket and token that the load is written with.
pub(crate) async fn set_up_influxdb(address: SocketAddr) -> Result<()> {
    let names = json!({
        "username": "bench", "password": "bench-password", "org": "bench", "bucket": "bench", "token": INFLUX_TOKEN,
    });
    let start = clock::now();
    loop {
        match post_json(address, "/api/v2/setup", &names).await {
            Err(_) if start.elapsed() < SET_UP => tokio::time::sleep(Duration::from_millis(100)).await,
            answered => return answered.map(|_| ()),
        }
    }
}
