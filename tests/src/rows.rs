//! What a query gave.

use serde_json::{Value, json};

use crate::http::{Answer, Http};

/// Columns and rows, as `POST /api/v1/sql` gives them in JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Names, in order.
    pub columns: Vec<String>,
    /// A value a column.
    pub rows: Vec<Vec<Value>>,
}

impl Rows {
    /// Asks a server.
    ///
    /// # Errors
    /// The answer, when it is another than 200.
    ///
    /// # Panics
    /// When no answer comes.
    #[track_caller]
    pub fn ask(http: &Http, sql: &str) -> Result<Self, Box<Answer>> {
        let body = json!({"sql": sql, "format": "json"}).to_string();
        let answer = http.post("/api/v1/sql", &[("content-type", "application/json")], body);
        if answer.status == 200 { Ok(Self::from_json(&answer.json())) } else { Err(Box::new(answer)) }
    }

    /// Reads the JSON of an answer.
    ///
    /// # Panics
    /// When it has not that shape.
    #[track_caller]
    pub fn from_json(answer: &Value) -> Self {
        let columns = answer["columns"].as_array().unwrap_or_else(|| panic!("no columns in {answer}"));
        let rows = answer["rows"].as_array().unwrap_or_else(|| panic!("no rows in {answer}"));
        Self {
            columns: columns
                .iter()
                .map(|column| column["name"].as_str().expect("a column has a name").to_owned())
                .collect(),
            rows: rows.iter().map(|row| row.as_array().expect("a row is an array").clone()).collect(),
        }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One value.
    ///
    /// # Panics
    /// When there is no such row or column.
    #[track_caller]
    pub fn get(&self, row: usize, column: &str) -> &Value {
        let at = self.columns.iter().position(|name| name == column);
        let at = at.unwrap_or_else(|| panic!("no column {column} among {:?}", self.columns));
        self.rows.get(row).map_or_else(|| panic!("no row {row} of {}", self.len()), |row| &row[at])
    }

    /// A text; a number as it is written.
    ///
    /// # Panics
    /// When there is no such row or column.
    #[track_caller]
    pub fn text(&self, row: usize, column: &str) -> String {
        match self.get(row, column) {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// A number.
    ///
    /// # Panics
    /// When it is not one.
    #[track_caller]
    pub fn number(&self, row: usize, column: &str) -> f64 {
        self.get(row, column).as_f64().unwrap_or_else(|| panic!("not a number: {}", self.get(row, column)))
    }
}
