//! Templates of annotations (Go's) as templates of flyball (Jinja's).
//!
//! Taken are labels, the value, texts, the functions that format them, and pipes. Whatever decides, repeats or asks for more data is
//! refused.

use std::collections::BTreeMap;

/// Longer than any sentence.
const BYTES_MAX: usize = 16 * 1024;
/// Words that Jinja reads as its own.
const RESERVED: [&str; 14] =
    ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "rule", "severity", "labels", "value"];
/// Functions that flyball's templates have as filters.
const FILTERS: [(&str, &str); 8] = [
    ("humanize", "humanize"),
    ("humanize1024", "humanize1024"),
    ("humanizeDuration", "humanize_duration"),
    ("humanizePercentage", "humanize_percentage"),
    ("toUpper", "upper"),
    ("toLower", "lower"),
    ("title", "title"),
    ("safeHtml", "string"),
];

/// What a template may name.
pub(super) struct Scope<'a> {
    /// The labels that are columns; `None` where any may be there.
    pub(super) columns: Option<&'a [String]>,
    /// The rule's own.
    pub(super) labels: &'a BTreeMap<String, String>,
}

/// Translates a template.
///
/// # Errors
/// What it has that flyball's have not.
pub(super) fn translate(text: &str, scope: &Scope<'_>) -> Result<String, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("it is longer than {} KiB", BYTES_MAX / 1024));
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (action, after) = after.split_once("}}").ok_or("an action without its end")?;
        let (action, trim_before) = action.strip_prefix("- ").map_or((action, false), |action| (action, true));
        let (action, trim_after) = action.strip_suffix(" -").map_or((action, false), |action| (action, true));
        literal(&mut out, if trim_before { before.trim_end() } else { before });
        let action = action.trim();
        if !action.starts_with("/*") && !action.is_empty() {
            let expression = pipeline(action, scope)?;
            if !expression.is_empty() {
                out.push_str(&format!("{{{{ {expression} }}}}"));
            }
        }
        rest = if trim_after { after.trim_start() } else { after };
    }
    literal(&mut out, rest);
    Ok(out)
}

/// Text that Jinja must not read.
fn literal(out: &mut String, text: &str) {
    out.push_str(&text.replace("{%", "{{ '{%' }}").replace("{#", "{{ '{#' }}"));
}

fn pipeline(action: &str, scope: &Scope<'_>) -> Result<String, String> {
    let mut value: Option<String> = None;
    for stage in split(action, '|')? {
        let words = split(stage.trim(), ' ')?;
        let words: Vec<&str> = words.into_iter().map(str::trim).filter(|word| !word.is_empty()).collect();
        let Some((&first, args)) = words.split_first() else { return Err("an empty stage".into()) };
        let args = args.iter().map(|arg| operand(arg, scope)).collect::<Result<Vec<_>, _>>()?;
        let args: Vec<String> = args.into_iter().chain(value.take()).collect();
        value = Some(if is_function(first) { function(first, &args)? } else { alone(first, &args, scope)? });
    }
    value.ok_or_else(|| "an empty action".into())
}

fn is_function(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn alone(word: &str, args: &[String], scope: &Scope<'_>) -> Result<String, String> {
    if args.is_empty() { operand(word, scope) } else { Err(format!("'{word}' with arguments")) }
}

fn function(name: &str, args: &[String]) -> Result<String, String> {
    if let Some((_, filter)) = FILTERS.iter().find(|entry| entry.0 == name) {
        return match args {
            [value] => Ok(format!("{value} | {filter}")),
            _ => Err(format!("'{name}' with so many arguments")),
        };
    }
    match (name, args) {
        ("printf", [format, values @ ..]) => printf(format, values),
        ("print", [value]) => Ok(value.clone()),
        _ => Err(format!("flyball's templates have no '{name}'")),
    }
}

/// `printf` with one placeholder.
fn printf(format: &str, values: &[String]) -> Result<String, String> {
    let format: String = serde_json::from_str(format).map_err(|_| "printf of what is no text")?;
    let wrong = || format!("printf \"{format}\"");
    let (before, rest) = format.split_once('%').ok_or_else(wrong)?;
    let end = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (flags, after) = rest.split_at(end);
    let (verb, after) = after.split_at(1);
    let [value] = values else { return Err(wrong()) };
    let rest = after.replace("%%", "");
    if rest.contains('%') {
        return Err(wrong());
    }
    let value = match (verb, flags.split_once('.')) {
        ("s" | "v", None) if flags.is_empty() => value.clone(),
        ("f", Some((_, digits))) => format!("{value} | round({})", digits.parse::<u8>().map_err(|_| wrong())?),
        ("f", None) => format!("{value} | round(6)"),
        ("d", None) => format!("{value} | round | int"),
        _ => return Err(wrong()),
    };
    let text = |text: &str| serde_json::Value::from(text.replace("%%", "%")).to_string();
    // A filter binds more tightly than '~'.
    Ok(match (before.is_empty(), after.is_empty()) {
        (true, true) => value,
        (false, true) => format!("{} ~ ({value})", text(before)),
        (true, false) => format!("({value}) ~ {}", text(after)),
        (false, false) => format!("{} ~ ({value}) ~ {}", text(before), text(after)),
    })
}

/// A label, the value, a text or a number.
fn operand(word: &str, scope: &Scope<'_>) -> Result<String, String> {
    let label = ["$labels.", ".Labels."].into_iter().find_map(|prefix| word.strip_prefix(prefix));
    if let Some(name) = label {
        return label_of(name, scope);
    }
    match word {
        "$value" | ".Value" => Ok("value".to_owned()),
        _ if word.starts_with('"') => {
            let text: String = serde_json::from_str(word).map_err(|_| format!("the text {word}"))?;
            Ok(serde_json::Value::from(text).to_string())
        }
        _ if word.parse::<f64>().is_ok_and(f64::is_finite) => Ok(word.to_owned()),
        _ => Err(format!("flyball's templates have no '{word}'")),
    }
}

fn label_of(name: &str, scope: &Scope<'_>) -> Result<String, String> {
    let word = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if name.is_empty() || !word(name) {
        return Err(format!("the label '{name}'"));
    }
    let column = scope.columns.is_none_or(|columns| columns.iter().any(|column| column == name));
    Ok(match name {
        "alertname" => "rule".to_owned(),
        "severity" => "severity".to_owned(),
        _ if scope.labels.contains_key(name) => format!("labels.{name}"),
        _ if column && RESERVED.contains(&name) => format!("labels.{name}"),
        _ if column => name.to_owned(),
        // The expression has no such label: it is empty there too.
        _ => "\"\"".to_owned(),
    })
}

/// Splits outside of texts.
fn split(text: &str, at: char) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let (mut start, mut quote, mut escaped) = (0, None, false);
    for (index, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '`' => quote = Some(c),
            None if c == '(' || c == ')' => return Err("brackets in a template".into()),
            None if c == at => {
                parts.push(&text[start..index]);
                start = index + at.len_utf8();
            }
            None => {}
        }
    }
    parts.push(&text[start..]);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
        let columns = ["instance".to_owned(), "in".to_owned()];
        let found = translate(text, &Scope { columns: Some(&columns), labels: &labels });
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn labels_and_values_become_names_of_columns() {
        check("{{ $labels.instance }} has {{$value}}", Ok("{{ instance }} has {{ value }}"));
        check("{{ .Labels.team }}: {{ $labels.alertname }}", Ok("{{ labels.team }}: {{ rule }}"));
        check("{{ $labels.gone }}x{{ $labels.in }}", Ok("{{ \"\" }}x{{ labels.in }}"));
        check("50 {% of {{/* nothing */}}", Ok("50 {{ '{%' }} of "));
    }

    #[test]
    fn formatting_becomes_filters() {
        check("{{ $value | humanizePercentage }}", Ok("{{ value | humanize_percentage }}"));
        check("{{ humanize $value }}", Ok("{{ value | humanize }}"));
        check("{{ printf \"%.2f\" $value }}%", Ok("{{ value | round(2) }}%"));
        check("{{ $value | printf \"%.0f%% of it\" }}", Ok("{{ (value | round(0)) ~ \"% of it\" }}"));
    }

    #[test]
    fn what_decides_or_asks_is_refused() {
        check("{{ if gt $value 1.0 }}x{{ end }}", Err("flyball's templates have no 'gt'"));
        check("{{ with query \"up\" }}x{{ end }}", Err("flyball's templates have no 'query'"));
        check("{{ range $x := query \"up\" }}{{ end }}", Err("flyball's templates have no '$x'"));
        check("{{ $value", Err("an action without its end"));
        check("{{ ($value) }}", Err("brackets in a template"));
    }
}
