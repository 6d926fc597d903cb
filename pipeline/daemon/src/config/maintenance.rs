//! `maintenance:`, windows that come again.

use flyball_remediation::silence::{Matcher, WINDOWS_MAX, Window, WindowOptions};
use flyball_yaml::{Node, Reader};

use super::parse;
use super::read::list;

const KEYS: [&str; 6] = ["name", "matchers", "cron", "time_zone", "duration", "comment"];

pub(super) fn read(reader: &mut Reader, windows: &[Node]) -> Vec<WindowOptions> {
    let mut read: Vec<WindowOptions> = Vec::new();
    for (index, node) in windows.iter().enumerate() {
        let what = format!("maintenance[{index}]");
        if index == WINDOWS_MAX {
            reader.error_with_hint(
                node,
                format!("there are more than {WINDOWS_MAX} maintenance windows"),
                "use fewer with regular expressions",
            );
            break;
        }
        let Some(window) = read_window(reader, node, &what) else { continue };
        if read.iter().any(|other| other.name == window.name) {
            reader.error(node, format!("there is a maintenance window '{}' already", window.name));
        }
        // Whether it can be used as a whole.
        if let Err(error) = Window::new(window.clone()) {
            reader.error(node, format!("{what}: {error}"));
        }
        read.push(window);
    }
    read
}

fn read_window(reader: &mut Reader, node: &Node, what: &str) -> Option<WindowOptions> {
    let fields = reader.section(node, what, &KEYS)?;
    let name = reader.parse_required(fields, "name", parse::text);
    reader.require(fields, "matchers");
    let nodes = list(reader, fields, "matchers").unwrap_or_default();
    let matchers = reader.parse_nodes(nodes, "matchers", |text| text.parse::<Matcher>().map_err(|e| e.to_string()));
    let cron = reader.parse_required(fields, "cron", parse::text);
    let time_zone = reader.parse(fields, "time_zone", parse::text);
    let duration = reader.parse_required(fields, "duration", parse::positive_duration);
    let comment = reader.parse(fields, "comment", |text| Ok(text.to_owned()));
    if matchers.len() < nodes.len() {
        return None;
    }
    Some(WindowOptions {
        name: name?,
        matchers,
        cron: cron?,
        time_zone: time_zone.unwrap_or_else(|| "UTC".to_owned()),
        duration: duration?,
        comment: comment.unwrap_or_default(),
    })
}
