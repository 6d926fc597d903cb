//! The rules of the house hold.

use std::path::{Path, PathBuf};

use flyball_tests::house::{self, Deny, Graph};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

fn graph() -> Graph {
    Graph::read(&root().join("Cargo.toml")).expect("cargo metadata")
}

fn deny() -> Deny {
    Deny::read(&root().join("deny.toml")).expect("deny.toml")
}

#[track_caller]
fn check(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn packages_import_each_other_only_in_the_directions_of_the_design() {
    check(&house::forbidden_edges(&graph()));
}

#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    check(&house::forbidden_licences(&graph(), &deny()));
}

#[test]
fn every_dependency_comes_from_the_registry() {
    check(&house::foreign_sources(&graph()));
}

#[test]
fn each_duplicate_version_has_its_reason_in_deny_toml() {
    check(&house::unexplained_duplicates(&graph(), &deny()));
}

#[test]
fn no_package_of_the_workspace_is_empty() {
    let graph = graph();
    let empty = graph.members().filter_map(|package| {
        let folder = package.manifest_path.parent().expect("a manifest lies in a folder").join("src");
        let files = rust_files(folder.as_std_path());
        let lines: usize =
            files.iter().map(|file| std::fs::read_to_string(file).expect("a source").lines().count()).sum();
        (lines < 10).then(|| format!("{} has {lines} lines of source: nothing lives there", package.name))
    });
    check(&empty.collect::<Vec<_>>());
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
