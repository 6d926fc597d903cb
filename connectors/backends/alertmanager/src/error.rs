//! What can be wrong with an Alertmanager's configuration.

use std::net::IpAddr;

/// The backend can't be made. No text holds the URL or the token.
#[derive(Debug, thiserror::Error)]
pub enum AlertmanagerError {
    /// The URL can't be read, or is for another protocol.
    #[error("backend '{backend}': url is not a URL: {reason}; write it as http://host:9093")]
    Url {
        /// The backend's name.
        backend: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The URL leads to an address that credentials can be had from.
    #[error(
        "backend '{backend}': url leads to {address}, a link-local or metadata address; set allow_link_local: true on the backend if that is meant"
    )]
    LinkLocal {
        /// The backend's name.
        backend: String,
        /// The address.
        address: IpAddr,
    },
    /// The token can't stand in a header.
    #[error(
        "backend '{backend}': token is empty or has characters that a header can't hold; is the environment variable set?"
    )]
    Token {
        /// The backend's name.
        backend: String,
    },
    /// A time of zero.
    #[error("backend '{backend}': {key} is zero; write for example {example}")]
    Zero {
        /// The backend's name.
        backend: String,
        /// Which.
        key: &'static str,
        /// What to write.
        example: &'static str,
    },
    /// The HTTP client can't be made.
    #[error("backend '{backend}': {reason}")]
    Client {
        /// The backend's name.
        backend: String,
        /// Why.
        reason: flyball_client::ClientError,
    },
}
