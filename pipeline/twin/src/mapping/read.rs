//! Reads a mapping from YAML and finds all its problems at once.

use flyball_yaml::{Fields, Node, Problem, Reader, Source, Value, parse};

use super::labels::{Condition, Pattern, Template};
use super::{AttributeRule, Combine, EntityRule, Filter, Formula, Mapping, Number, Take, attribute_name};
use crate::kind::EntityKind;

const ENTITY_KEYS: [&str; 7] = ["entity", "metrics", "when", "ignore", "id", "parents", "labels"];
const ATTRIBUTE_KEYS: [&str; 13] = [
    "attribute",
    "of",
    "metrics",
    "when",
    "ignore",
    "unit",
    "take",
    "combine",
    "scale",
    "offset",
    "clamp",
    "word",
    "words",
];

/// Reads rules in their order.
pub(super) fn read(name: &str, yaml: &str) -> Result<Mapping, Vec<Problem>> {
    let mut mapping = Mapping { entities: Vec::new(), attributes: Vec::new() };
    let source = Source::new(name, yaml);
    let root = parse(&source).map_err(|problem| vec![problem])?;
    if matches!(root.value, Value::Null) {
        return Ok(mapping);
    }
    let mut reader = Reader::new(source);
    for rule in reader.items(&root, "a file of the twin's rules") {
        if rule.get("entity").is_some() {
            mapping.entities.extend(entity(&mut reader, rule));
        } else if rule.get("attribute").is_some() {
            mapping.attributes.extend(attribute(&mut reader, rule));
        } else {
            reader.error(rule, "a rule begins with 'entity: KIND' or with 'attribute: NAME'");
        }
    }
    let problems = reader.finish();
    if problems.is_empty() { Ok(mapping) } else { Err(problems) }
}

fn entity(reader: &mut Reader, node: &Node) -> Option<EntityRule> {
    let fields = reader.fields(node, "an entity's rule", &ENTITY_KEYS)?;
    let kind = reader.parse_required(fields, "entity", kind);
    let filter = filter(reader, fields);
    let id = reader.parse_required(fields, "id", Template::parse);
    let parents = fields.get("parents").map(|node| reader.entries(node, "'parents'")).unwrap_or_default();
    let parents = parents
        .into_iter()
        .filter_map(|(name, node)| {
            let template = reader.parse_node(node, name.as_str(), Template::parse)?;
            Some((name.as_str().to_owned(), template))
        })
        .collect();
    let labels = each(reader, fields, "labels", Pattern::parse);
    Some(EntityRule { kind: kind?, filter, id: id?, parents, labels })
}

fn attribute(reader: &mut Reader, node: &Node) -> Option<AttributeRule> {
    let fields = reader.fields(node, "an attribute's rule", &ATTRIBUTE_KEYS)?;
    let kind = reader.parse_required(fields, "of", kind);
    reader.require(fields, "metrics");
    let filter = filter(reader, fields);
    let name = reader.parse_required(fields, "attribute", |text| {
        let template = Template::parse(text)?;
        if let (Some(kind), Some(name)) = (kind, template.constant()) {
            attribute_name(kind, name)?;
        }
        Ok(template)
    });
    let unit = reader.parse(fields, "unit", text);
    let formula = formula(reader, fields);
    Some(AttributeRule { kind: kind?, filter, name: name?, unit, formula })
}

fn formula(reader: &mut Reader, fields: Fields<'_>) -> Formula {
    let word = reader.parse(fields, "word", text);
    let words = fields.get("words").map(|node| words(reader, node)).unwrap_or_default();
    if let Some(label) = word {
        return Formula::Word(label);
    }
    if !words.is_empty() {
        return Formula::Words(words);
    }
    let mut number = Number { take: Take::Value, combine: Combine::Latest, scale: 1.0, offset: 0.0, clamp: None };
    reader.set(fields, "take", &mut number.take, |word| match word {
        "value" => Ok(Take::Value),
        "rate" => Ok(Take::Rate),
        _ => Err(format!("'{word}' is not value or rate")),
    });
    reader.set(fields, "combine", &mut number.combine, |word| match word {
        "latest" => Ok(Combine::Latest),
        "sum" => Ok(Combine::Sum),
        "avg" => Ok(Combine::Avg),
        "min" => Ok(Combine::Min),
        "max" => Ok(Combine::Max),
        "count" => Ok(Combine::Count),
        _ => Err(format!("'{word}' is not latest, sum, avg, min, max or count")),
    });
    for (key, into) in [("scale", &mut number.scale), ("offset", &mut number.offset)] {
        if let Some(value) = fields.get(key).and_then(|node| reader.number(node, &format!("'{key}'"))) {
            *into = value;
        }
    }
    number.clamp = fields.get("clamp").and_then(|node| clamp(reader, node));
    Formula::Number(number)
}

fn clamp(reader: &mut Reader, node: &Node) -> Option<(f64, f64)> {
    let [low, high] = reader.items(node, "'clamp'") else {
        reader.error(node, "'clamp' is two numbers, like [0, 1]");
        return None;
    };
    let (low, high) = (reader.number(low, "the lowest of 'clamp'"), reader.number(high, "the highest of 'clamp'"));
    let (low, high) = (low?, high?);
    if low > high {
        reader.error(node, "clamp: the first number must not be above the second");
        return None;
    }
    Some((low, high))
}

fn words(reader: &mut Reader, node: &Node) -> Vec<(f64, String)> {
    let mut words = Vec::new();
    for (number, word) in reader.texts(node, "'words'") {
        match number.as_str().parse() {
            Ok(number) => words.push((number, word.as_str().to_owned())),
            Err(_) => reader.note(Problem::error(
                number.place(),
                format!("'{}' is not a number; write words: {{1: Pending, 2: Running}}", number.as_str()),
            )),
        }
    }
    words
}

fn filter(reader: &mut Reader, fields: Fields<'_>) -> Filter {
    let metrics = each(reader, fields, "metrics", Pattern::parse);
    let mut when = Vec::new();
    for (labels, node) in fields.get("when").map(|node| reader.entries(node, "'when'")).unwrap_or_default() {
        let values = reader.parse_nodes(node.one_or_more(), labels.as_str(), text);
        match Condition::parse(labels.as_str(), &values) {
            Ok(condition) => when.push(condition),
            Err(message) => reader.error(node, format!("when: {message}")),
        }
    }
    let ignore = each(reader, fields, "ignore", text);
    Filter { metrics, when, ignore }
}

/// One piece of text, or a list of them.
fn each<T>(reader: &mut Reader, fields: Fields<'_>, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
    fields.get(key).map(|node| reader.parse_nodes(node.one_or_more(), key, parse)).unwrap_or_default()
}

fn kind(word: &str) -> Result<EntityKind, String> {
    EntityKind::parse(word).ok_or_else(|| {
        let kinds: Vec<_> = EntityKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("'{word}' is no kind of entity; there are {}", kinds.join(", "))
    })
}

fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}
