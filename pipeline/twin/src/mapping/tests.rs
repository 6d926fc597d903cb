use super::*;

fn problems(yaml: &str) -> Vec<String> {
    match Mapping::builtin().extend("f", yaml) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(Problem::to_string).collect(),
    }
}

#[test]
fn the_compiled_in_mapping_is_good() {
    let mapping = Mapping::builtin();
    assert!(mapping.entities.len() > 10 && mapping.attributes.len() > 30);
}

#[test]
fn every_main_column_of_nodes_pods_deployments_clusters_and_processes_has_a_rule() {
    let mapping = Mapping::builtin();
    for kind in [EntityKind::Node, EntityKind::Pod, EntityKind::Deployment, EntityKind::Cluster, EntityKind::Process] {
        for (column, source) in kind.columns() {
            let number = match source {
                crate::kind::Source::Number(_) => true,
                crate::kind::Source::State => false,
                crate::kind::Source::Parent | crate::kind::Source::Label => continue,
            };
            let mut rules = mapping
                .attributes
                .iter()
                .filter(|rule| rule.kind == kind && rule.name.constant() == Some(column))
                .peekable();
            assert!(rules.peek().is_some(), "{kind} {column}");
            for rule in rules {
                assert_eq!(rule.formula.is_number(), number, "{kind} {column}");
                if let crate::kind::Source::Number(unit) = source {
                    assert_eq!(rule.unit.as_deref(), Some(*unit), "{kind} {column}");
                }
            }
        }
    }
}

#[test]
fn a_users_rules_come_first() {
    let mapping = Mapping::builtin().extend("f", "- {entity: node, id: '{site}'}\n").expect("a good mapping");
    assert_eq!(mapping.entities[0].id, Template::parse("{site}").expect("a good template"));
    assert_eq!(mapping.entities.len(), Mapping::builtin().entities.len() + 1);
    assert_eq!(problems("# nothing yet\n").len(), 0);
}

#[test]
fn every_problem_is_told_with_its_place() {
    let yaml = "\
- entity: nodus
  id: '{k8s.pod.name}'
- attribute: id
  of: node
  metrics: [a*b]
  scale: much
  colour: red
- color: red
- attribute: watts
  of: node
  combine: median
  clamp: [1, 0]
- {attribute: phase, of: pod, metrics: a,
  words: {one: Pending}}
- {entity: node, id: x, parents: {device: ''}}
";
    let expected = "\
f:1:11: entity: 'nodus' is no kind of entity; there are node, pod, deployment, cluster, process, device, controller, link
f:2:7: id: 'k8s.pod.name' is not a label's name here; labels are in Prometheus form, write 'k8s_pod_name'
f:3:14: attribute: an attribute of a node must not be called 'id': that is a column of its own
f:5:13: metrics: 'a*b' has a * that is not at its end; only prefixes such as node_* can be matched
f:6:10: 'scale' is a number, like 1.5
f:7:3: an attribute's rule has no key 'colour' (the keys are attribute, of, metrics, when, ignore, unit, take, combine, scale, offset, clamp, word, words)
f:8:3: a rule begins with 'entity: KIND' or with 'attribute: NAME'
f:9:3: an attribute's rule needs 'metrics'
f:11:12: combine: 'median' is not latest, sum, avg, min, max or count
f:12:10: clamp: the first number must not be above the second
f:14:11: 'one' is not a number; write words: {1: Pending, 2: Running}
f:15:43: device: a template must not be empty";
    assert_eq!(problems(yaml).join("\n"), expected);
}

#[test]
fn what_is_not_a_list_of_rules_is_refused_with_its_place() {
    for (yaml, expected) in [
        ("a: b\n", "f:1:1: a file of the twin's rules is a list, and here is a mapping"),
        ("- a\n", "f:1:3: a rule begins with"),
        ("- {a: b\n", "f:1:3: this is not YAML"),
        ("- [1, 2]\n", "f:1:3: a rule begins with"),
    ] {
        let problems = problems(yaml);
        assert_eq!(problems.len(), 1, "{yaml}: {problems:?}");
        assert!(problems[0].starts_with(expected), "{problems:?}");
    }
}
