//! What can be found, each with a code that stays what it is: people search for it, and programs select by it.

use flyball_yaml::Level;

/// A kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `FB` and three digits; the first says what it is about.
    pub id: &'static str,
    /// A word for programs that show one.
    pub name: &'static str,
    /// How bad it is unless a finding says otherwise.
    pub level: Level,
    /// One sentence on what it means.
    pub meaning: &'static str,
    /// One sentence on what to do.
    pub help: &'static str,
}

macro_rules! codes {
    ($($constant:ident, $id:literal, $name:literal, $level:ident, $meaning:literal, $help:literal;)+) => {
        $(#[doc = $meaning] pub const $constant: &str = $id;)+
        /// Every code, sorted.
        pub const CODES: &[Code] = &[
            $(Code { id: $id, name: $name, level: Level::$level, meaning: $meaning, help: $help },)+
        ];
    };
}

codes! {
    FILE, "FB001", "file", Error,
        "The file is not what a rule file must be.", "Write it as docs/rules.md says.";
    TWICE, "FB002", "defined-twice", Error,
        "Two rules have one name, which stands for one rule in all files.", "Rename one of them.";
    TEST, "FB003", "test", Error,
        "A test can't be run as it is written.", "Write it as docs/testing.md says.";
    TOO_MANY, "FB004", "too-many", Error,
        "There are more rules than can be in force together.", "Let one rule return many rows.";
    UNKNOWN_RULE, "FB005", "unknown-rule", Warning,
        "'unless' names a rule that is in none of these files; a server that has it in none of its own does not take the file.", "Mend the name, or name the other's file too.";
    SYNTAX, "FB101", "syntax", Error,
        "The query is not SQL, or more than a query may be.", "Write one SELECT.";
    NOT_A_SELECT, "FB102", "not-a-select", Error,
        "The statement does something else than read.", "Write one SELECT.";
    UNKNOWN_TABLE, "FB103", "unknown-table", Warning,
        "No table has this name; a metric's table comes with its first point, those of twin and flyball never do.", "Mend the name.";
    UNKNOWN_COLUMN, "FB104", "unknown-column", Error,
        "No table of the query has a column of this name.", "Mend the name; DESCRIBE lists a table's columns.";
    UNKNOWN_FUNCTION, "FB105", "unknown-function", Error,
        "No function has this name, or it stands where it can't.", "Mend the name; range functions stand after FROM.";
    AMBIGUOUS, "FB106", "ambiguous", Error,
        "Several tables or columns answer to this name.", "Qualify it, or write it exactly.";
    ARGUMENTS, "FB107", "arguments", Error,
        "A function does not take these arguments.", "Call it as the message shows.";
    PLAN, "FB108", "plan", Error,
        "The query can't be planned.", "Mend what the message names.";
    COLUMN, "FB109", "column", Error,
        "The query gives a column that no rule can use.", "Rename it, select a part of it, or leave it out.";
    LABEL_NUMBER, "FB201", "label-compared-with-number", Warning,
        "A label, which is text, is compared with a number.", "Quote the number, or cast the label.";
    UNITS, "FB202", "units-mixed", Warning,
        "Values of different units are compared, added, or called by the name of another unit.", "Convert one of them.";
    NO_TIME_BOUND, "FB203", "no-time-bound", Warning,
        "A table is read from its first point on.", "Bound the time: WHERE time > now() - INTERVAL '5 minutes'.";
    FOR_TOO_SHORT, "FB204", "for-shorter-than-interval", Warning,
        "'for' is shorter than the distance of the samples, so that one sample decides.", "Make it longer, or leave it out.";
    WINDOW_TOO_SHORT, "FB205", "window-shorter-than-interval", Warning,
        "A window is so short, or so late, that it often has too few samples.", "Make it a few times as long as the samples' distance.";
    COUNTER, "FB206", "counter-without-rate", Warning,
        "A counter is aggregated as it is, though its value only says how long it has been counting.", "Take rate or increase.";
    NOT_A_COUNTER, "FB207", "rate-of-gauge", Warning,
        "A function of counters takes each fall of a gauge for a reset.", "Take delta, deriv or idelta.";
    IDENTITY, "FB208", "identity-not-unique", Warning,
        "Several rows can have one identity, which is an error when it happens.", "Select what tells them apart, or aggregate.";
    SHADOWED, "FB209", "shadowed", Warning,
        "Whenever the rule fires another one does too, and says the same.", "Give it another severity or remediation, or drop it.";
    CROSS_JOIN, "FB210", "cross-join", Warning,
        "Tables are joined without a condition: every row with every row.", "Write JOIN … ON.";
    LABEL_TAKEN, "FB211", "label-taken", Warning,
        "A label or column is overwritten in alerts, or a label hides a column that tells violations apart.", "Name it otherwise.";
    UNLESS_LABEL, "FB212", "unless-without-label", Warning,
        "'unless' asks for a label that no violation of one of the two rules has, so nothing is ever held back.", "Select it in both rules, or name a label that both have.";
    ALWAYS, "FB213", "always-fires", Warning,
        "The query gives a row whatever the data say.", "Add HAVING and a condition.";
    TEMPLATE, "FB301", "template", Error,
        "A template asks for a column or label that the rule has not.", "Mend the name, or select the column.";
    NO_BACKEND, "FB401", "no-backend", Error,
        "No backend of this name is configured.", "Mend the name, or configure it under 'backends'.";
    CANNOT, "FB402", "backend-cannot", Error,
        "The backend can't do the action.", "Name another backend.";
    RECORDED, "FB501", "recorded-value", Error,
        "What a recording rule's query gives is not one value a series.", "Name what is recorded with AS value, and nothing else that is a number.";
    CIRCLE, "FB502", "recording-circle", Error,
        "A recording rule reads, maybe by way of others, what it records.", "Let it read what is received, or what others record before it.";
    RECEIVED, "FB503", "recorded-and-received", Error,
        "The metric that a rule records is received from a sender too.", "Choose a name that nobody sends, like job:name:sum.";
}

/// The code of this id.
pub fn code(id: &str) -> Option<&'static Code> {
    CODES.iter().find(|code| code.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_each_means_one_thing() {
        assert!(CODES.is_sorted_by(|a, b| a.id < b.id));
        let mut names: Vec<_> = CODES.iter().map(|code| code.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CODES.len());
        assert_eq!(code(IDENTITY).map(|code| code.name), Some("identity-not-unique"));
        assert_eq!(code("FB999"), None);
    }

    #[test]
    fn the_table_in_the_documentation_is_this_one() {
        let page = include_str!("../../../../docs/check.md");
        for code in CODES {
            let level = if code.level == Level::Error { "error" } else { "warning" };
            let row = format!("| `{}` | `{}` | {level} | {} | {} |", code.id, code.name, code.meaning, code.help);
            assert!(page.contains(&row), "docs/check.md lacks\n{row}");
        }
        assert_eq!(page.matches("| `FB").count(), CODES.len());
    }
}
