//! `flyball twin`.

use std::io::Write;

use anyhow::Context;
use serde_json::Value;

use crate::cli::{TwinArgs, TwinFormat};
use crate::{Failure, client};

pub(crate) async fn run(args: TwinArgs) -> Result<(), Failure> {
    let format = match args.format {
        TwinFormat::Native => "native",
        TwinFormat::Decice => "decice",
        TwinFormat::Icos => "icos",
    };
    let mut query = vec![("format", format)];
    query.extend(args.at.as_deref().map(|at| ("at", at)));
    let mut url = reqwest::Url::parse(&client::at(&args.url, "/api/v1/twin"))
        .with_context(|| format!("--url: '{}' is not a URL", args.url))?;
    url.query_pairs_mut().extend_pairs(query);
    let body = client::ask(args.credentials.client()?.get(url), &args.url).await?;
    let document: Value = serde_json::from_slice(&body).context("the server's answer is not JSON")?;
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &document).context("stdout is closed")?;
    writeln!(stdout).context("stdout is closed")?;
    Ok(())
}
