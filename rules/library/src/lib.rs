//! Ready-made rules, compiled in.
//!
//! They run on what the host source, node_exporter, kube-state-metrics, Scaphandre, Kepler, senders of logs, instrumented services and
//! flyball itself give; `icos` and `class` are examples for estates of these projects. A rule whose metric has not
//! come yet waits for it, so all of them can be in force everywhere.

/// A file of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LibraryFile {
    /// What configuration calls it: `host`.
    pub name: &'static str,
    /// The rule file's text (YAML).
    pub text: &'static str,
}

const FILES: [LibraryFile; 9] = [
    LibraryFile { name: "class", text: include_str!("../rules/class.yaml") },
    LibraryFile { name: "flyball", text: include_str!("../rules/flyball.yaml") },
    LibraryFile { name: "host", text: include_str!("../rules/host.yaml") },
    LibraryFile { name: "icos", text: include_str!("../rules/icos.yaml") },
    LibraryFile { name: "kubernetes", text: include_str!("../rules/kubernetes.yaml") },
    LibraryFile { name: "latency", text: include_str!("../rules/latency.yaml") },
    LibraryFile { name: "logs", text: include_str!("../rules/logs.yaml") },
    LibraryFile { name: "objectives", text: include_str!("../rules/objectives.yaml") },
    LibraryFile { name: "power", text: include_str!("../rules/power.yaml") },
];

/// All files, sorted by name.
pub fn files() -> &'static [LibraryFile] {
    &FILES
}

/// The file of that name.
pub fn file(name: &str) -> Option<&'static LibraryFile> {
    FILES.iter().find(|file| file.name == name)
}
