//! Files as people write them, and as they should not.

use super::*;

/// Reads `text` as a mapping of `list`, `name`, `wait` and `count`; each problem without the file's name, a line each.
fn check(text: &str, expected: &str) {
    let source = Source::new("f", text);
    let problems = match parse(&source) {
        Err(problem) => vec![problem],
        Ok(root) => {
            let mut reader = Reader::with_variables(source, |name| (name == "KNOWN").then(|| "known: yes".to_owned()));
            if let Some(fields) = reader.section(&root, "the file", &["list", "name", "wait", "count"]) {
                if let Some(list) = fields.get("list") {
                    for item in reader.items(list, "'list'") {
                        reader.number(item, "an item of 'list'");
                    }
                }
                reader.whole(fields, "count", 1);
                reader.duration(fields, "wait", std::time::Duration::ZERO);
                if let Some(name) = reader.required(fields, "name")
                    && name.as_str().contains(' ')
                {
                    reader.note(Problem::warning(name.place(), "a space"));
                }
            }
            reader.finish()
        }
    };
    let found: Vec<_> =
        problems.iter().map(|problem| problem.to_string().trim_start_matches("f:").to_owned()).collect();
    assert_eq!(found.join("\n"), expected, "in\n{text}");
}

#[test]
fn every_problem_is_told_at_once_in_the_order_of_the_file() {
    check(
        "wait: 10\nlist: [1, two, [3]]\nnmae: x\ncount: '1'\nwait: 1s\n[a]: b\n",
        "1:1: the file needs 'name'\n\
         1:7: wait: '10' has no unit; write 10s for seconds (units are ms, s, m, h, d)\n\
         2:11: an item of 'list' is a number, like 1.5\n\
         2:16: an item of 'list' is a number, like 1.5\n\
         3:1: the file has no key 'nmae' (did you mean 'name'?)\n\
         4:8: 'count' is a whole number, at least 1\n\
         5:1: the key 'wait' stands here twice\n\
         6:1: a key of the file is a word, not a list",
    );
    check("name: x\ncolour: red\n", "2:1: the file has no key 'colour' (the keys are list, name, wait, count)");
    check("name: [x]\n", "1:7: 'name' is a single value, and here is a list");
    check("- x\n", "1:1: the file is a mapping (key: value), and here is a list");
    check("", "1:1: the file needs 'name'");
}

#[test]
fn variables_are_replaced_in_values_and_one_that_is_not_there_is_told_with_its_place() {
    check("name: fine-${\n", "");
    check("name: is ${KNOWN}\n", "1:7: warning: a space");
    check(
        "count: 1\nname: is ${UNKNOWN}\n",
        "2:7: 'name' needs the environment variable UNKNOWN, which is not set (export it, or write the value itself)",
    );
    check(
        "name: ${KNOWN:-x}\n",
        "1:7: 'name' has ${KNOWN:-x}, and 'KNOWN:-x' is no name of an environment variable (write ${NAME} alone; there are no defaults or other operators)",
    );
    let source = Source::new("f", "${KNOWN}");
    let root = parse(&source).expect("good");
    let as_it_is = Reader::new(source).text(&root, "it").expect("text");
    assert_eq!(as_it_is.as_str(), "${KNOWN}");
}

#[test]
fn what_is_not_one_document_says_where() {
    check("name: [\n", "1:7: this is not YAML: unclosed bracket '['");
    check(
        "name: x\n---\nname: y\n",
        "3:1: a second YAML document begins here (a file is one document; put what follows into another file)",
    );
}

#[test]
fn what_takes_more_than_a_file_may_says_which_bound_it_meets() {
    let problem = |text: &str| parse(&Source::new("f", text)).expect_err("too much").to_string();
    let doubling: String =
        (1..20).map(|at| format!("a{at}: &a{at} [{0}, {0}, {0}]\n", format_args!("*a{}", at - 1))).collect();
    let message = problem(&format!("a0: &a0 [x, x, x]\n{doubling}"));
    assert!(message.ends_with("aliases stand for more than a file may hold (write out what they repeat)"), "{message}");
    let message = problem(&format!("a: {}{}", "[".repeat(40), "]".repeat(40)));
    assert!(message.ends_with("lists and mappings stand inside each other more than 32 deep"), "{message}");
}

#[test]
fn where_one_may_stand_for_a_list_it_is_the_only_item() {
    for (text, count) in [("x", 1), ("[x, y]", 2), ("[]", 0), ("{a: b}", 1)] {
        assert_eq!(parse(&Source::new("f", text)).expect("good").one_or_more().len(), count, "{text}");
    }
}

#[test]
fn hostile_files_end_in_words() {
    let deep = format!("list: {}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(parse(&Source::new("f", deep)).is_err());
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..9 {
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 8].join(", "));
    }
    assert!(parse(&Source::new("f", bomb)).is_err());
    let source = Source::new("f", "- x\n".repeat(1000));
    let root = parse(&source).expect("good");
    let mut reader = Reader::new(source);
    for item in reader.items(&root, "the file") {
        reader.number(item, "an item");
    }
    let problems = reader.finish();
    assert_eq!(problems.len(), PROBLEMS_MAX + 1);
    assert_eq!(problems[0].to_string(), "f:1:1: there are 800 more problems in this file");
}
