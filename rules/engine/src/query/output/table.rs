//! A table for people: units in the header, numbers flush right, NULL visible.

use std::fmt::Write;

use super::cell::{is_number, text};
use crate::query::{QueryResult, unit_of};

/// A result as a text table, followed by a line with the number of rows and the time.
pub fn table(result: &QueryResult) -> String {
    let fields = result.schema.fields();
    let header: Vec<_> = fields
        .iter()
        .map(|field| match unit_of(field) {
            Some(unit) => format!("{} [{unit}]", field.name()),
            None => field.name().clone(),
        })
        .collect();
    let right: Vec<_> = fields.iter().map(|field| is_number(field.data_type())).collect();
    let mut lines: Vec<Vec<String>> = Vec::new();
    for batch in &result.batches {
        for row in 0..batch.num_rows() {
            let cells: Vec<_> = batch.columns().iter().map(|column| cell(text(column, row))).collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(1);
            lines.extend(
                (0..height).map(|at| cells.iter().map(|cell| cell.get(at).cloned().unwrap_or_default()).collect()),
            );
        }
    }
    let widths: Vec<_> = (0..header.len())
        .map(|at| {
            lines.iter().map(|line| line[at].chars().count()).chain([header[at].chars().count()]).max().unwrap_or(0)
        })
        .collect();

    let mut out = String::new();
    line(&mut out, &header, &widths, &right);
    let rules: Vec<_> = widths.iter().map(|&width| "-".repeat(width)).collect();
    line(&mut out, &rules, &widths, &right);
    for cells in &lines {
        line(&mut out, cells, &widths, &right);
    }
    let noun = if result.rows() == 1 { "row" } else { "rows" };
    // Writing to a String can't fail.
    let _ = writeln!(out, "({} {noun}, {:.1} ms)", result.rows(), result.elapsed.as_secs_f64() * 1e3);
    out
}

/// The lines of a cell; other control characters, which could play tricks with a terminal, are escaped.
fn cell(text: Option<String>) -> Vec<String> {
    let Some(text) = text else { return vec!["NULL".into()] };
    let escaped = |line: &str| {
        if line.contains(char::is_control) { line.escape_debug().to_string() } else { line.to_string() }
    };
    text.trim_end_matches('\n').split('\n').map(escaped).collect()
}

fn line(out: &mut String, cells: &[String], widths: &[usize], right: &[bool]) {
    let mut text = String::new();
    for (at, ((cell, &width), &right)) in cells.iter().zip(widths).zip(right).enumerate() {
        if at > 0 {
            text.push_str("  ");
        }
        let pad = " ".repeat(width - cell.chars().count());
        if right {
            text.push_str(&pad);
        }
        text.push_str(cell);
        if !right {
            text.push_str(&pad);
        }
    }
    out.push_str(text.trim_end());
    out.push('\n');
}
