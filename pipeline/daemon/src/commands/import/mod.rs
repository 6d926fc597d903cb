//! `flyball import`: what another program recorded goes to a running server.

mod account;
mod pieces;
mod post;

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};

use self::account::Account;
use self::pieces::{Piece, Pieces};
use crate::cli::ImportCommand;
use crate::commands::output::counted;
use crate::{Failure, client};

pub(crate) async fn run(command: ImportCommand) -> Result<(), Failure> {
    let ImportCommand::Scaphandre { file, url, credentials, host } = command;
    let (name, mut input, bytes) = open(&file)?;
    let mut target = reqwest::Url::parse(&client::at(&url, "/api/v1/import/scaphandre"))
        .with_context(|| format!("--url: '{url}' is not a URL"))?;
    if let Some(host) = host {
        target.query_pairs_mut().append_pair("host", &host);
    }
    let mut import = Import { name, bytes, url, target, client: credentials.client()?, account: Account::default() };
    import.all(&mut *input).await?;
    import.finish()
}

/// The input, what it is called and how long it is, where that is known.
fn open(file: &Path) -> anyhow::Result<(String, Box<dyn Read + Send>, Option<u64>)> {
    if file == Path::new("-") {
        return Ok(("standard input".to_owned(), Box::new(std::io::stdin()), None));
    }
    let name = file.display().to_string();
    let opened = File::open(file).with_context(|| format!("{name} can't be read"))?;
    let bytes = opened.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
    Ok((name, Box::new(opened), bytes))
}

struct Import {
    name: String,
    bytes: Option<u64>,
    url: String,
    target: reqwest::Url,
    client: reqwest::Client,
    account: Account,
}

impl Import {
    /// Sends reports as they can be read, so that a pipe from a running Scaphandre is followed.
    async fn all(&mut self, input: &mut (dyn Read + Send)) -> anyhow::Result<()> {
        let mut pieces = Pieces::default();
        loop {
            let read = tokio::task::block_in_place(|| pieces.fill(input));
            let ended = read.with_context(|| format!("{} can't be read on", self.name))? == 0;
            while let Some(piece) = pieces.next(ended) {
                self.send(piece).await?;
            }
            if ended {
                return Ok(());
            }
            if let Some(number) = pieces.endless() {
                bail!("{}: report {number} does not end within {} bytes", self.name, pieces::REPORT_BYTES_MAX);
            }
        }
    }

    async fn send(&mut self, piece: Piece) -> anyhow::Result<()> {
        for bad in &piece.bad {
            self.tell(&bad.to_string())?;
            self.account.unreadable += 1;
        }
        if !piece.reports.is_empty() {
            let answer = post::piece(&self.client, &self.target, &self.url, &piece.body).await?;
            for fault in &answer.faults {
                self.tell(&piece.name(fault))?;
            }
            self.account.add(piece.reports.len() as u64, &answer);
        }
        self.progress(piece.end)
    }

    /// A line of its own on stderr.
    fn tell(&self, line: &str) -> anyhow::Result<()> {
        let clear = if std::io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
        writeln!(std::io::stderr(), "{clear}{}: {line}", self.name).context("stderr is closed")
    }

    /// How far it is, over and over on the same line of a terminal.
    fn progress(&self, at: u64) -> anyhow::Result<()> {
        let mut stderr = std::io::stderr();
        if !stderr.is_terminal() {
            return Ok(());
        }
        let part = match self.bytes {
            Some(bytes) if bytes > 0 => format!("{} %", (at.min(bytes) * 100) / bytes),
            _ => format!("{at} bytes"),
        };
        write!(stderr, "\r\x1b[K{part}, {}", self.account).and_then(|()| stderr.flush()).context("stderr is closed")
    }

    /// The last word. Something that was not taken is a failure, although the rest was.
    fn finish(self) -> Result<(), Failure> {
        let mut stderr = std::io::stderr();
        if stderr.is_terminal() {
            write!(stderr, "\r\x1b[K").context("stderr is closed")?;
        }
        for (reason, (points, detail)) in &self.account.refused {
            self.tell(&format!("{} refused, {reason}: {detail}", counted(*points, "point")))?;
        }
        writeln!(std::io::stdout(), "{}: {}", self.name, self.account).context("stdout is closed")?;
        if self.account.is_whole() { Ok(()) } else { Err(Failure::Reported) }
    }
}
