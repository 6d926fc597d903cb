//! `flyball rules import`.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::Context;
use flyball_rules_import::{FILE_BYTES_MAX, Imported, System, import};

use crate::Failure;
use crate::cli::ImportFrom;
use crate::commands::output::{counted, print};

pub(super) fn run(from: ImportFrom, file: &Path, out: Option<&Path>) -> Result<(), Failure> {
    let text = read(file)?;
    let system = match from {
        ImportFrom::Prometheus => System::Prometheus,
        ImportFrom::Icos => System::Icos,
        ImportFrom::Class => System::Class,
    };
    let mut stderr = std::io::stderr().lock();
    let imported = match import(system, &file.display().to_string(), &text) {
        Ok(imported) => imported,
        Err(problems) => {
            for problem in problems {
                writeln!(stderr, "{problem}").context("stderr is closed")?;
            }
            return Err(Failure::Reported);
        }
    };
    write(&imported, out)?;
    for problem in imported.refused.iter().chain(&imported.notes) {
        writeln!(stderr, "{problem}").context("stderr is closed")?;
    }
    let (total, refused) = (counted(imported.total as u64, "rule"), imported.refused.len());
    writeln!(stderr, "{} of {total} translated, {refused} not", imported.translated).context("stderr is closed")?;
    if imported.refused.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}

/// The file's text, of which one byte more than is taken is read.
fn read(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let most = FILE_BYTES_MAX as u64 + 1;
    let what = || format!("{} can't be read", file.display());
    if file == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes).with_context(what)?;
    } else {
        File::open(file).with_context(what)?.take(most).read_to_end(&mut bytes).with_context(what)?;
    }
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", file.display()))
}

fn write(imported: &Imported, out: Option<&Path>) -> anyhow::Result<()> {
    match out {
        // What somebody changed by hand since is not to be lost.
        Some(path) if imported.translated > 0 => File::create_new(path)
            .and_then(|mut file| file.write_all(imported.yaml.as_bytes()))
            .with_context(|| format!("{} can't be written", path.display())),
        Some(_) => Ok(()),
        None => print(&imported.yaml),
    }
}
