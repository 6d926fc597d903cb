//! Tokens of the configuration.

use std::path::Path;

use parking_lot::RwLock;

use super::digest::Digest;
use super::scope::Scopes;
use crate::config::{Token, TokenSecret};

/// What is said of a token that no header can hold.
pub(crate) const NOT_VISIBLE: &str = "a token is of visible ASCII characters, as headers are";

/// A token's file is at most this long.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Every token, hashed.
#[derive(Debug)]
pub(super) struct Tokens {
    known: Vec<KnownToken>,
}

#[derive(Debug)]
struct KnownToken {
    token: Token,
    /// `None` while its file can't be read.
    digest: RwLock<Option<Digest>>,
}

impl Tokens {
    /// Reads the files of those that have one.
    ///
    /// # Errors
    /// A line for each that can't be read.
    pub(super) fn load(tokens: &[Token]) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut known = Vec::new();
        for token in tokens {
            match digest(&token.secret) {
                Ok(digest) => known.push(KnownToken { token: token.clone(), digest: RwLock::new(Some(digest)) }),
                Err(problem) => problems.push(format!("http.tokens '{}': {problem}", token.name)),
            }
        }
        if problems.is_empty() { Ok(Self { known }) } else { Err(problems) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What the token allows. All of them are compared, whichever it is.
    pub(super) fn find(&self, token: &str) -> Option<Scopes> {
        let shown = Digest::of(token);
        let mut found = None;
        for known in &self.known {
            if known.digest.read().is_some_and(|digest| digest.is(&shown)) {
                found = Some(known.token.scopes);
            }
        }
        found
    }

    /// Looks at the files again; what can't be read keeps its token. Blocks while it reads.
    pub(super) fn reload(&self) {
        for known in &self.known {
            let TokenSecret::File(_) = known.token.secret else { continue };
            let name = &known.token.name;
            match digest(&known.token.secret) {
                Ok(new) if known.digest.read().is_some_and(|old| old.is(&new)) => {}
                Ok(new) => {
                    *known.digest.write() = Some(new);
                    tracing::info!(token = name, "a token was taken anew from its file");
                }
                Err(problem) => {
                    tracing::error!(token = name, problem, "a token can't be read again; the old one stays")
                }
            }
        }
    }
}

fn digest(secret: &TokenSecret) -> Result<Digest, String> {
    match secret {
        TokenSecret::Digest(digest) => Ok(*digest),
        TokenSecret::File(path) => read(path).map_err(|problem| format!("{} {problem}", path.display())),
    }
}

fn read(path: &Path) -> Result<Digest, String> {
    let wrong = |error: std::io::Error| format!("can't be read: {error}");
    if std::fs::metadata(path).map_err(wrong)?.len() > FILE_BYTES_MAX {
        return Err(format!("is longer than {FILE_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(wrong)?;
    match text.trim() {
        "" => Err("is empty; write the token into it".to_owned()),
        token if !is_visible(token) => Err(format!("can't be used: {NOT_VISIBLE}")),
        token => Ok(Digest::of(token)),
    }
}

/// Whether a header can hold this token.
pub(crate) fn is_visible(token: &str) -> bool {
    token.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::super::scope::Scope;
    use super::*;

    fn token(name: &str, secret: TokenSecret, scope: Scope) -> Token {
        Token { name: name.to_owned(), secret, scopes: Scopes::from_iter([scope]) }
    }

    #[test]
    fn a_token_is_found_by_its_digest_and_one_in_a_file_follows_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("token");
        std::fs::write(&file, "from-a-file\n").expect("written");
        let tokens = Tokens::load(&[
            token("agent", TokenSecret::Digest(Digest::of("plain")), Scope::Write),
            token("grafana", TokenSecret::File(file.clone()), Scope::Read),
        ])
        .expect("good tokens");
        assert_eq!(tokens.find("plain"), Some(Scopes::from_iter([Scope::Write])));
        assert_eq!(tokens.find("from-a-file"), Some(Scopes::from_iter([Scope::Read])));
        for wrong in ["", "plain ", "Plain", "from-a-file\n"] {
            assert_eq!(tokens.find(wrong), None, "{wrong:?}");
        }
        std::fs::remove_file(&file).expect("removed");
        tokens.reload();
        assert!(tokens.find("from-a-file").is_some(), "the old one stays while there is no new one");
        std::fs::write(&file, "renewed").expect("written");
        tokens.reload();
        assert!(tokens.find("from-a-file").is_none() && tokens.find("renewed").is_some());
    }

    #[test]
    fn files_that_hold_no_token_are_told_of_all_at_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let empty = dir.path().join("empty");
        std::fs::write(&empty, " \n").expect("written");
        let odd = dir.path().join("odd");
        std::fs::write(&odd, "schl\u{fc}ssel").expect("written");
        let problems = Tokens::load(&[
            token("a", TokenSecret::File(empty), Scope::Read),
            token("b", TokenSecret::File(dir.path().join("missing")), Scope::Read),
            token("c", TokenSecret::File(odd), Scope::Read),
        ])
        .expect_err("none can be used");
        assert_eq!(problems.len(), 3);
        assert!(problems[0].contains("is empty") && problems[1].contains("can't be read"), "{problems:?}");
        assert!(problems[2].contains("visible ASCII") && !problems[2].contains("schl"), "{problems:?}");
    }
}
