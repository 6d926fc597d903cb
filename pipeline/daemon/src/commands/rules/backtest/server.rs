//! The history of a running server, through its SQL.

use std::time::Duration;

use anyhow::Context;
use arrow::ipc::reader::StreamReader;
use flyball_rules::query::QueryResult;
use flyball_rules_testing::backtest::{Source, SourceError};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{self, Credentials};

/// The most bytes of one answer. A million rows with many labels take a tenth of it.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// How often a server that has no room for another query is asked again.
const TRIES: u32 = 5;

pub(super) struct Server {
    client: reqwest::Client,
    url: String,
}

impl Server {
    pub(super) fn new(url: &str, credentials: &Credentials) -> anyhow::Result<Self> {
        Ok(Self { client: credentials.client()?, url: url.to_owned() })
    }

    async fn ask(&self, sql: &str) -> Result<QueryResult, SourceError> {
        let failed = |error: anyhow::Error| SourceError::Failed(format!("{error:#}"));
        let mut tries = 0;
        let body = loop {
            tries += 1;
            let request = self.client.post(client::at(&self.url, "/api/v1/sql"));
            let request = request.json(&json!({"sql": sql, "format": "arrow"}));
            let response = request.send().await.map_err(|error| failed(client::unanswered(&self.url, error)))?;
            let status = response.status();
            let mut body = Vec::new();
            let mut response = response;
            while let Some(piece) = response.chunk().await.context("the answer broke off").map_err(failed)? {
                if body.len() + piece.len() > ANSWER_BYTES_MAX {
                    return Err(SourceError::TooMuch(format!("the answer has more than {ANSWER_BYTES_MAX} bytes")));
                }
                body.extend_from_slice(&piece);
            }
            if status.is_success() {
                break body;
            }
            let error = serde_json::from_slice::<Value>(&body).unwrap_or_default();
            let word = |name: &str| error["error"][name].as_str().unwrap_or_default().to_owned();
            match (status, word("code").as_str()) {
                (_, "row_limit" | "memory_limit" | "time_limit") => return Err(SourceError::TooMuch(word("message"))),
                (StatusCode::SERVICE_UNAVAILABLE, _) if tries < TRIES => {
                    tokio::time::sleep(Duration::from_secs(1)).await
                }
                (StatusCode::UNAUTHORIZED, _) => {
                    let hint = "set FLYBALL_TOKEN, or --token, to a token of it with the scope read";
                    return Err(SourceError::Failed(format!("{}: {}\nhint: {hint}", self.url, word("message"))));
                }
                _ if word("message").is_empty() => {
                    return Err(SourceError::Failed(format!("{} answered {status}", self.url)));
                }
                _ => return Err(SourceError::Failed(word("message"))),
            }
        };
        let read = || {
            let reader = StreamReader::try_new(body.as_slice(), None)?;
            let schema = reader.schema();
            Ok(QueryResult { schema, batches: reader.collect::<Result<_, _>>()?, elapsed: Duration::ZERO })
        };
        read().map_err(|error: arrow::error::ArrowError| {
            SourceError::Failed(format!("the Arrow stream of {} can't be read: {error}", self.url))
        })
    }
}

impl Source for Server {
    async fn query(&self, sql: &str) -> Result<QueryResult, SourceError> {
        self.ask(sql).await
    }
}
