//! `flyball query`.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use flyball_model::{Clock, WallClock};
use flyball_rules::query::{QueryResult, output};
use serde_json::json;

use crate::cli::{Query, QueryFormat};
use crate::{Failure, client};

pub(crate) async fn run(args: Query) -> Result<(), Failure> {
    // The table is made here, from Arrow: it needs the units in the schema, which CSV and JSON rows don't carry.
    let format = match args.format {
        QueryFormat::Table | QueryFormat::Arrow => "arrow",
        QueryFormat::Csv => "csv",
        QueryFormat::Json => "json",
    };
    let url = client::at(&args.url, "/api/v1/sql");
    let request = args.credentials.client()?.post(url).json(&json!({"sql": args.sql, "format": format}));
    let clock = WallClock::default();
    let body = client::ask(request, &args.url).await?;
    let elapsed = clock.monotonic();
    let mut stdout = std::io::stdout().lock();
    if args.format == QueryFormat::Table {
        let result = read(&body, elapsed).context("the server's Arrow stream can't be read")?;
        stdout.write_all(output::table(&result).as_bytes()).context("stdout is closed")?;
    } else {
        stdout.write_all(&body).context("stdout is closed")?;
        if args.format == QueryFormat::Json {
            stdout.write_all(b"\n").context("stdout is closed")?;
        }
    }
    Ok(())
}

fn read(stream: &[u8], elapsed: Duration) -> Result<QueryResult, ArrowError> {
    let reader = StreamReader::try_new(stream, None)?;
    let schema = reader.schema();
    Ok(QueryResult { schema, batches: reader.collect::<Result<_, _>>()?, elapsed })
}
