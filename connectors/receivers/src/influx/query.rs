//! `/query`: the two statements that clients send before they write.
//!
//! Telegraf asks for its database to be created when it starts, and client libraries list the databases. Nothing needs to be
//! created here, so both have honest answers; every other statement is refused with the way to ask in SQL.
//!
//! Who may write must not read here, and who may read must not change anything: `CREATE DATABASE` does nothing, for a database is there,
//! and listed, once something was written to it; and the list is for who may read.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::{Api, error, signed};
use super::databases::Databases;
use crate::gate::MayRead;

/// Bytes of a form with statements.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// Statements of one request.
const STATEMENTS_MAX: usize = 100;

/// A statement that is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statement {
    CreateDatabase,
    ShowDatabases,
}

/// Answers the statements in `q`, which stands in the URL or in a form.
pub(super) async fn answer(databases: &Databases, request: Request) -> Response {
    let refuse = |message: &str| error(Api::V1, StatusCode::BAD_REQUEST, message);
    let may_read = request.extensions().get::<MayRead>().is_some();
    let mut q = find(request.uri().query().unwrap_or_default().as_bytes());
    if q.is_none() && request.method() == Method::POST {
        let Ok(form) = to_bytes(request.into_body(), FORM_BYTES_MAX).await else {
            return refuse("the form can't be read, or is longer than 65536 bytes");
        };
        q = find(&form);
    }
    let Some(q) = q else { return refuse("missing required parameter \"q\"") };
    match parse(&q) {
        Ok(statements) if !may_read && statements.contains(&Statement::ShowDatabases) => {
            error(Api::V1, StatusCode::FORBIDDEN, "SHOW DATABASES needs the scope read")
        }
        Ok(statements) => {
            let results: Vec<_> =
                statements.into_iter().enumerate().map(|(id, statement)| run(databases, id, statement)).collect();
            signed(Json(json!({"results": results})).into_response())
        }
        Err(found) => refuse(&format!(
            "error parsing query: found {found}, expected CREATE DATABASE or SHOW DATABASES; \
             flyball is queried in SQL, at POST /api/v1/sql"
        )),
    }
}

fn find(form: &[u8]) -> Option<String> {
    form_urlencoded::parse(form).find(|(key, _)| key == "q").map(|(_, value)| value.into_owned())
}

fn run(databases: &Databases, id: usize, statement: Statement) -> Value {
    match statement {
        Statement::CreateDatabase => json!({"statement_id": id}),
        Statement::ShowDatabases => {
            let mut series = json!({"name": "databases", "columns": ["name"]});
            let names: Vec<_> = databases.names().into_iter().map(|name| vec![name]).collect();
            // InfluxDB leaves the values out where there are none.
            if !names.is_empty() {
                series["values"] = json!(names);
            }
            json!({"statement_id": id, "series": [series]})
        }
    }
}

/// Takes statements apart; the error is what stands where no statement begins.
fn parse(q: &str) -> Result<Vec<Statement>, String> {
    let words = words(q);
    let mut statements = Vec::new();
    for statement in words.split(|word| *word == Word::End).filter(|words| !words.is_empty()) {
        let is = |at: usize, word: &str| statement.get(at).is_some_and(|found| found.is(word));
        let parsed = match statement {
            // What comes after the name (WITH DURATION …) is about retention, which is configured here.
            [_, _, Word::Bare(_) | Word::Quoted(_), ..] if is(0, "CREATE") && is(1, "DATABASE") => {
                Statement::CreateDatabase
            }
            [_, _] if is(0, "SHOW") && is(1, "DATABASES") => Statement::ShowDatabases,
            [first, ..] => return Err(first.shown()),
            [] => continue,
        };
        statements.push(parsed);
        if statements.len() > STATEMENTS_MAX {
            return Err(format!("more than {STATEMENTS_MAX} statements"));
        }
    }
    if statements.is_empty() { Err("EOF".to_owned()) } else { Ok(statements) }
}

#[derive(Debug, PartialEq, Eq)]
enum Word {
    Bare(String),
    Quoted(String),
    End,
}

impl Word {
    fn is(&self, keyword: &str) -> bool {
        matches!(self, Word::Bare(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn shown(&self) -> String {
        let (Word::Bare(word) | Word::Quoted(word)) = self else { return ";".to_owned() };
        word.chars().take(50).collect()
    }
}

fn words(q: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut chars = q.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ';' => words.push(Word::End),
            c if c.is_whitespace() => {}
            '"' => {
                let mut name = String::new();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => name.extend(chars.next()),
                        c => name.push(c),
                    }
                }
                words.push(Word::Quoted(name));
            }
            c => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|&c| !c.is_whitespace() && c != ';' && c != '"') {
                    word.push(c);
                }
                words.push(Word::Bare(word));
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_statements_are_understood_in_every_spelling() {
        use Statement::{CreateDatabase, ShowDatabases};
        for (q, expected) in [
            (r#"CREATE DATABASE "telegraf""#, vec![CreateDatabase]),
            ("create database telegraf;", vec![CreateDatabase]),
            (r#"CREATE DATABASE "a \"b\" c" WITH DURATION 1d NAME "x""#, vec![CreateDatabase]),
            (r#"CREATE DATABASE "a;b"; SHOW DATABASES"#, vec![CreateDatabase, ShowDatabases]),
            ("SHOW DATABASES", vec![ShowDatabases]),
            (" show\tdatabases ; CREATE DATABASE x", vec![ShowDatabases, CreateDatabase]),
        ] {
            assert_eq!(parse(q), Ok(expected), "{q}");
        }
        for (q, found) in [
            ("", "EOF"),
            (" ; ", "EOF"),
            ("SELECT * FROM cpu", "SELECT"),
            ("CREATE DATABASE", "CREATE"),
            ("SHOW DATABASES; DROP DATABASE x", "DROP"),
            ("SHOW DATABASES LIMIT 1", "SHOW"),
        ] {
            assert_eq!(parse(q), Err(found.to_owned()), "{q}");
        }
    }
}
