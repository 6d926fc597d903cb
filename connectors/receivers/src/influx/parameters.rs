//! What the URL of a write says.

use flyball_model::intake::{Format, Precision};
use http::StatusCode;

use super::answer::Api;

/// What the URL of a write says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    /// The database or bucket.
    pub(super) database: String,
    /// The unit of timestamps.
    pub(super) precision: Precision,
    /// Whether one bad line refuses the whole body: always in 2.x, on demand in 3.
    pub(super) whole: bool,
}

/// A parameter that is missing or not understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Parameters {
    /// What the body is.
    pub(super) fn format(&self) -> Format {
        Format::LineProtocol { precision: self.precision, whole: self.whole }
    }
}

/// Reads the query part of a URL.
///
/// # Errors
/// In the words of that version of InfluxDB.
pub(super) fn read(api: Api, query: &str) -> Result<Parameters, Wrong> {
    let parameter = |name: &str| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.into_owned())
    };
    let bad = |message: String| Wrong { status: StatusCode::BAD_REQUEST, message };
    let database = match api {
        Api::V1 => parameter("db").ok_or_else(|| bad("database is required".to_owned()))?,
        // What 2.x says of a bucket that it was not told.
        Api::V2 => parameter("bucket")
            .or_else(|| parameter("bucketID"))
            .ok_or_else(|| Wrong { status: StatusCode::NOT_FOUND, message: "bucket not found".to_owned() })?,
        Api::V3 => parameter("db").ok_or_else(|| bad("missing query parameter 'db'".to_owned()))?,
    };
    let precision = match parameter("precision") {
        Some(word) => unit(api, &word).ok_or_else(|| bad(unknown_unit(api, &word)))?,
        None if api == Api::V3 => Precision::Auto,
        None => Precision::Nanoseconds,
    };
    let whole = match api {
        Api::V1 => false,
        Api::V2 => true,
        Api::V3 => match parameter("accept_partial").as_deref() {
            None | Some("true") => false,
            Some("false") => true,
            Some(word) => return Err(bad(format!("invalid accept_partial '{word}': write true or false"))),
        },
    };
    Ok(Parameters { database, precision, whole })
}

/// What a word for a unit means. Version 3 is the only one to guess, and the only one to write units out.
fn unit(api: Api, word: &str) -> Option<Precision> {
    let unit = match word {
        "n" | "ns" => Precision::Nanoseconds,
        "u" | "us" | "µ" | "µs" => Precision::Microseconds,
        "ms" => Precision::Milliseconds,
        "s" => Precision::Seconds,
        "m" if api != Api::V2 => Precision::Minutes,
        "h" if api != Api::V2 => Precision::Hours,
        "auto" if api == Api::V3 => Precision::Auto,
        "nanosecond" if api == Api::V3 => Precision::Nanoseconds,
        "microsecond" if api == Api::V3 => Precision::Microseconds,
        "millisecond" if api == Api::V3 => Precision::Milliseconds,
        "second" if api == Api::V3 => Precision::Seconds,
        _ => return None,
    };
    Some(unit)
}

fn unknown_unit(api: Api, word: &str) -> String {
    match api {
        Api::V1 => format!("invalid precision \"{word}\" (use n, u, ms, s, m or h)"),
        Api::V2 => "invalid precision; valid precision units are ns, us, ms, and s".to_owned(),
        Api::V3 => {
            format!("invalid precision '{word}': write auto, nanosecond, microsecond, millisecond or second")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_parameters() {
        use Precision::{Auto, Hours, Microseconds, Milliseconds, Nanoseconds, Seconds};
        for (api, query, database, precision, whole) in [
            (Api::V1, "db=telegraf", "telegraf", Nanoseconds, false),
            (Api::V1, "db=a%20b&rp=autogen&precision=s&u=x&p=y&consistency=all", "a b", Seconds, false),
            (Api::V1, "precision=u&db=x", "x", Microseconds, false),
            (Api::V1, "db=x&precision=h", "x", Hours, false),
            (Api::V1, "db=x&precision=", "x", Nanoseconds, false),
            (Api::V2, "org=o&bucket=b%2Fautogen", "b/autogen", Nanoseconds, true),
            (Api::V2, "bucket=b&precision=us", "b", Microseconds, true),
            (Api::V3, "db=x", "x", Auto, false),
            (Api::V3, "db=x&precision=millisecond&accept_partial=false&no_sync=true", "x", Milliseconds, true),
            (Api::V3, "db=x&precision=nanosecond&accept_partial=true", "x", Nanoseconds, false),
        ] {
            let expected = Parameters { database: database.to_owned(), precision, whole };
            assert_eq!(read(api, query), Ok(expected), "{query}");
        }
        for (api, query, status, message) in [
            (Api::V1, "", 400, "database is required"),
            (Api::V1, "db=", 400, "database is required"),
            (Api::V1, "db=x&precision=fortnight", 400, "invalid precision \"fortnight\" (use n, u, ms, s, m or h)"),
            (Api::V2, "org=o", 404, "bucket not found"),
            (Api::V2, "bucket=b&precision=m", 400, "invalid precision; valid precision units are ns, us, ms, and s"),
            (Api::V3, "bucket=b", 400, "missing query parameter 'db'"),
            (
                Api::V3,
                "db=x&precision=auto1",
                400,
                "invalid precision 'auto1': write auto, nanosecond, microsecond, millisecond or second",
            ),
            (Api::V3, "db=x&accept_partial=1", 400, "invalid accept_partial '1': write true or false"),
        ] {
            let wrong = read(api, query).expect_err("a bad parameter");
            assert_eq!((wrong.status.as_u16(), wrong.message.as_str()), (status, message), "{query}");
        }
    }
}
