//! How Prometheus writes numbers, and what one may ask of its rules.

use std::collections::BTreeSet;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use flyball_runtime::RuleEntry;
use serde_json::json;

/// A value as Prometheus' alerts have it: `4.1e-01`, `+Inf`, `NaN`.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `?type=alert&rule_name[]=R&rule_group[]=g&file[]=f&exclude_alerts=true`; a name that is said narrows to those that are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Only rules that record, or only those that fire.
    pub(super) recording: Option<bool>,
    pub(super) without_alerts: bool,
    rules: BTreeSet<String>,
    groups: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Wanted {
    pub(super) fn read(query: Option<&str>) -> Result<Self, BadData> {
        let mut wanted = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match (&*name, &*value) {
                ("exclude_alerts", "false") => {}
                ("type", "alert") => wanted.recording = Some(false),
                ("type", "record") => wanted.recording = Some(true),
                ("exclude_alerts", "true") => wanted.without_alerts = true,
                ("type", _) => return Err(BadData("type is alert or record")),
                ("exclude_alerts", _) => return Err(BadData("exclude_alerts is true or false")),
                ("rule_name[]", _) => drop(wanted.rules.insert(value.into_owned())),
                ("rule_group[]", _) => drop(wanted.groups.insert(value.into_owned())),
                ("file[]", _) => drop(wanted.files.insert(value.into_owned())),
                _ => {}
            }
        }
        Ok(wanted)
    }

    pub(super) fn has(&self, entry: &RuleEntry) -> bool {
        let among = |names: &BTreeSet<String>, name: &str| names.is_empty() || names.contains(name);
        among(&self.rules, &entry.rule.name)
            && among(&self.groups, &entry.rule.group)
            && among(&self.files, &entry.rule.place.file)
    }
}

/// A question that Prometheus would not take either, told in its shape.
#[derive(Debug)]
pub(crate) struct BadData(&'static str);

impl IntoResponse for BadData {
    fn into_response(self) -> Response {
        let body = json!({"status": "error", "errorType": "bad_data", "error": self.0});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_does() {
        for (value, text) in [
            (0.0, "0e+00"),
            (1.0, "1e+00"),
            (0.41, "4.1e-01"),
            (-1234.5, "-1.2345e+03"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn a_query_names_what_is_wanted() {
        let wanted =
            Wanted::read(Some("type=record&rule_name[]=A&rule_name%5B%5D=B&exclude_alerts=true")).expect("good");
        assert!(wanted.recording == Some(true) && wanted.without_alerts);
        assert_eq!(wanted.rules, BTreeSet::from(["A".to_owned(), "B".to_owned()]));
        assert_eq!(Wanted::read(None).expect("good"), Wanted::default());
        assert!(Wanted::read(Some("type=rule")).is_err() && Wanted::read(Some("exclude_alerts=x")).is_err());
    }
}
