//! `/api/v1/silences`: silences in the shapes of Alertmanager's API v2. What is done here `alertmanager` does too, with that program's
//! own answers.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use flyball_model::UnixNanos;
use flyball_remediation::silence::{Draft, MATCHERS_MAX, Matcher, Silence, SilenceError, SilenceState};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::error::{ApiError, in_words};

/// Alertmanager's `postableSilence`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Postable {
    /// Of the silence to change; empty for a new one.
    #[serde(default)]
    id: String,
    /// Read as words first: a pattern takes its memory only once it is known how many there are.
    matchers: Vec<PostableMatcher>,
    starts_at: String,
    ends_at: String,
    created_by: String,
    comment: String,
}

/// Alertmanager's `matcher`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostableMatcher {
    name: String,
    value: String,
    is_regex: bool,
    is_equal: Option<bool>,
}

/// Why it is not done.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }
}

impl From<SilenceError> for Refused {
    fn from(error: SilenceError) -> Self {
        let status = match &error {
            SilenceError::OfTheConfiguration { .. } => StatusCode::CONFLICT,
            error if error.is_not_found() => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { status, message: error.to_string() }
    }
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        Self::bad_request(in_words(&rejection.body_text()))
    }
}

impl From<Refused> for ApiError {
    fn from(Refused { status, message }: Refused) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::CONFLICT => "conflict",
            StatusCode::SERVICE_UNAVAILABLE => "not_durable",
            _ => "bad_request",
        };
        let hint = match status {
            StatusCode::NOT_FOUND => "GET /api/v1/silences lists them",
            StatusCode::SERVICE_UNAVAILABLE => {
                "it is written down once the disk takes it; GET /readyz says what is wrong there"
            }
            _ => "GET /openapi.json has the shape of a silence",
        };
        Self::new(status, code, message).hint(hint)
    }
}

/// `?filter=host="a"&active=true&pending=true&expired=true`
pub(super) struct Wanted {
    filter: Vec<Matcher>,
    states: Vec<SilenceState>,
}

impl Wanted {
    pub(super) fn read(query: Option<&str>) -> Result<Self, Refused> {
        let mut wanted = Self { filter: Vec::new(), states: Vec::new() };
        let mut unwanted = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let state = match &*name {
                "filter" => {
                    push_filter(&mut wanted.filter, &value)?;
                    continue;
                }
                "active" => SilenceState::Active,
                "pending" => SilenceState::Pending,
                "expired" => SilenceState::Expired,
                _ => continue,
            };
            if !truth(&name, &value)? {
                unwanted.push(state);
            }
        }
        let all = [SilenceState::Active, SilenceState::Pending, SilenceState::Expired];
        wanted.states.extend(all.into_iter().filter(|state| !unwanted.contains(state)));
        Ok(wanted)
    }

    /// A silence is wanted that has every condition of the filter among its own, word for word.
    fn has(&self, silence: &Silence, now: UnixNanos) -> bool {
        self.states.contains(&silence.state(now)) && self.filter.iter().all(|wanted| silence.matchers.contains(wanted))
    }
}

/// One more matcher of a filter; as few as a silence may have.
pub(super) fn push_filter(filter: &mut Vec<Matcher>, text: &str) -> Result<(), Refused> {
    if filter.len() == MATCHERS_MAX {
        return Err(Refused::bad_request(format!("a filter has at most {MATCHERS_MAX} matchers")));
    }
    filter.push(text.parse().map_err(SilenceError::from)?);
    Ok(())
}

/// `true` or `false`, as Go's programs write it.
pub(super) fn truth(name: &str, value: &str) -> Result<bool, Refused> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Refused::bad_request(format!("{name} is true or false, not '{value}'"))),
    }
}

/// Alertmanager's `gettableSilence`.
fn shown(silence: &Silence, now: UnixNanos) -> Value {
    json!({
        "id": silence.id,
        "status": {"state": silence.state(now).as_str()},
        "updatedAt": silence.updated_at.to_string(),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "startsAt": silence.starts_at.to_string(),
        "endsAt": silence.ends_at.to_string(),
        "matchers": silence.matchers,
    })
}

impl Shared {
    pub(super) fn silences(&self, query: Option<&str>) -> Result<Json<Value>, Refused> {
        let (wanted, now) = (Wanted::read(query)?, self.clock.now());
        let all = self.runtime.tables.silences.all(now);
        let silences = all.iter().filter(|silence| wanted.has(silence, now)).map(|silence| shown(silence, now));
        Ok(Json(silences.collect()))
    }

    pub(super) fn silence(&self, id: &str) -> Result<Json<Value>, Refused> {
        let now = self.clock.now();
        let found = self.runtime.tables.silences.get(id, now);
        let silence = found.ok_or_else(|| SilenceError::NotFound { id: id.chars().take(100).collect() })?;
        Ok(Json(shown(&silence, now)))
    }

    pub(super) async fn make_silence(
        &self,
        wanted: Result<Json<Postable>, JsonRejection>,
    ) -> Result<Json<Value>, Refused> {
        let Json(Postable { id, matchers, starts_at, ends_at, created_by, comment }) = wanted?;
        if matchers.len() > MATCHERS_MAX {
            return Err(SilenceError::TooManyMatchers { found: matchers.len() }.into());
        }
        let matchers = matchers.iter().map(|PostableMatcher { name, value, is_regex, is_equal }| {
            Matcher::new(name, value, *is_regex, is_equal.unwrap_or(true)).map_err(SilenceError::from)
        });
        let matchers = matchers.collect::<Result<Vec<_>, _>>()?;
        let time = |name: &str, text: &str| {
            text.parse::<UnixNanos>().map_err(|error| Refused::bad_request(format!("{name}: {error}")))
        };
        let (starts_at, ends_at) = (time("startsAt", &starts_at)?, time("endsAt", &ends_at)?);
        let id = Some(id).filter(|id| !id.is_empty());
        let draft = Draft { id, matchers, starts_at, ends_at, created_by, comment };
        let id = self.runtime.tables.silences.set(draft, self.clock.now())?;
        self.durable().await?;
        Ok(Json(json!({"silenceID": id})))
    }

    pub(super) async fn expire_silence(&self, id: &str) -> Result<(), Refused> {
        self.runtime.tables.silences.expire(id, self.clock.now())?;
        self.durable().await
    }

    /// What was said is answered only when it is kept.
    pub(super) async fn durable(&self) -> Result<(), Refused> {
        self.runtime.durable().await.map_err(|error| Refused {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: format!("it holds, and is lost when flyball ends now: {error}"),
        })
    }
}

/// `GET /api/v1/silences`
pub(crate) async fn list(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Result<Json<Value>, ApiError> {
    Ok(shared.silences(query.as_deref())?)
}

/// `POST /api/v1/silences`
pub(crate) async fn make(
    State(shared): State<Shared>,
    wanted: Result<Json<Postable>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    shared.make_silence(wanted).await.map_err(|refused| match refused.status {
        StatusCode::BAD_REQUEST => ApiError::from(refused).hint(
            r#"send {"matchers": [{"name": "host", "value": "a", "isRegex": false, "isEqual": true}], "startsAt": "2026-01-01T00:00:00Z", "endsAt": "…", "createdBy": "…", "comment": "…"}; with "id" to change one"#,
        ),
        _ => refused.into(),
    })
}

/// `GET /api/v1/silences/{id}`
pub(crate) async fn one(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(shared.silence(&id)?)
}

/// `DELETE /api/v1/silences/{id}`
pub(crate) async fn expire(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    shared.expire_silence(&id).await?;
    Ok(Json(json!({"silenceID": id})))
}

/// `DELETE /api/v1/silences?id=…`
pub(crate) async fn expire_named(
    State(shared): State<Shared>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let query = query.unwrap_or_default();
    let id = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "id");
    let Some((_, id)) = id else {
        return Err(ApiError::bad_request("which silence?").hint("DELETE /api/v1/silences/{id}, or ?id="));
    };
    shared.expire_silence(&id).await?;
    Ok(Json(json!({"silenceID": id})))
}
