//! `flyball tap`.

use std::io::Write;

use anyhow::{Context, anyhow};
use serde_json::Value;

use crate::cli::{TapArgs, TapFormat};
use crate::{Failure, client};

/// The longest line that is taken.
const LINE_BYTES_MAX: usize = 16 << 20;

pub(crate) async fn run(args: TapArgs) -> Result<(), Failure> {
    let mut url = reqwest::Url::parse(&client::at(&args.url, "/api/v1/tap"))
        .with_context(|| format!("--url: '{}' is not a URL", args.url))?;
    let query = [("table", &args.table), ("where", &args.r#where)];
    url.query_pairs_mut().extend_pairs(query.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))));
    let request = args.credentials.client()?.get(url);
    let mut response = client::open(request, &args.url).await?;
    let mut rest = Vec::new();
    let mut left = args.limit;
    while let Some(piece) = response.chunk().await.context("the server has gone away")? {
        rest.extend_from_slice(&piece);
        let mut stdout = std::io::stdout().lock();
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if line.trim().is_empty() {
                continue;
            }
            let object: Value = serde_json::from_str(&line).context("a line of the server is not JSON")?;
            if let Some(error) = object["error"].as_str() {
                return Err(Failure::Failed(anyhow!("{error}")));
            }
            let text = if args.format == TapFormat::Json { line.trim().to_owned() } else { readable(&object) };
            writeln!(stdout, "{text}").context("stdout is closed")?;
            let is_row = object.get("dropped").is_none() || object.as_object().is_some_and(|object| object.len() > 1);
            if is_row && let Some(left) = &mut left {
                *left -= 1;
                if *left == 0 {
                    return Ok(());
                }
            }
        }
        stdout.flush().context("stdout is closed")?;
        if rest.len() > LINE_BYTES_MAX {
            return Err(Failure::Failed(anyhow!("a line of the server has more than {LINE_BYTES_MAX} bytes")));
        }
    }
    Ok(())
}

/// `2026-01-01T00:00:10Z node_load1{instance="a"} 0.5`; of other records what is set.
fn readable(object: &Value) -> String {
    let Some(object) = object.as_object() else { return object.to_string() };
    if let (1, Some(dropped)) = (object.len(), object.get("dropped")) {
        return format!("({dropped} lost: they came faster than they could be shown)");
    }
    let mut line = object.get("time").and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = object.get("name").and_then(Value::as_str).unwrap_or_default();
    let labels = object.get("labels").and_then(Value::as_object).into_iter().flatten();
    let labels: Vec<_> = labels.map(|(name, value)| format!("{name}={value}")).collect();
    if !name.is_empty() || !labels.is_empty() {
        line.push_str(&format!(" {name}{{{}}}", labels.join(",")));
    }
    if let Some(value) = object.get("value") {
        line.push_str(&format!(" {value}"));
    }
    for (name, value) in object {
        let empty =
            value.is_null() || value.as_str() == Some("") || value.as_object().is_some_and(|map| map.is_empty());
        if !empty && !matches!(name.as_str(), "time" | "name" | "labels" | "value") {
            line.push_str(&format!(" {name}={value}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_lines_that_people_read() {
        for (object, expected) in [
            (
                json!({"time": "2026-01-01T00:00:10Z", "name": "up", "value": 1.5, "labels": {"job": "a"}}),
                "2026-01-01T00:00:10Z up{job=\"a\"} 1.5",
            ),
            (json!({"time": "t", "value": null, "host": "a", "zone": null}), "t null host=\"a\""),
            (json!({"dropped": 7}), "(7 lost: they came faster than they could be shown)"),
            (
                json!({"time": "t", "severity": "ERROR", "body": "refused", "trace_id": "", "labels": {"service_name": "web"}}),
                "t {service_name=\"web\"} severity=\"ERROR\" body=\"refused\"",
            ),
        ] {
            assert_eq!(readable(&object), expected);
        }
    }
}
