//! What can be wrong with a webhook's configuration.

/// A webhook backend can't be made. No text holds the secret or the URL, which may be a secret too.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The URL can't be read.
    #[error("backend '{backend}': url is not a URL: {reason}; write it as https://host/path")]
    Url {
        /// The backend's name.
        backend: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The URL is for another protocol.
    #[error("backend '{backend}': url has the scheme '{scheme}'; a webhook is called by http or https")]
    Scheme {
        /// The backend's name.
        backend: String,
        /// What the URL has.
        scheme: String,
    },
    /// There is a secret without a character in it.
    #[error(
        "backend '{backend}': secret is empty; set it (is the environment variable set?), or leave the key out to send unsigned events"
    )]
    EmptySecret {
        /// The backend's name.
        backend: String,
    },
    /// What follows `whsec_` is not base64.
    #[error(
        "backend '{backend}': what follows 'whsec_' in secret is not base64; make one with: echo whsec_$(openssl rand -base64 32)"
    )]
    Secret {
        /// The backend's name.
        backend: String,
    },
    /// The URL leads to an address that credentials can be had from.
    #[error(
        "backend '{backend}': url leads to {address}, a link-local or metadata address; set allow_link_local: true on the backend if that is meant"
    )]
    LinkLocal {
        /// The backend's name.
        backend: String,
        /// The address.
        address: std::net::IpAddr,
    },
    /// A request's timeout of zero.
    #[error("backend '{backend}': timeout is zero, so no request could succeed; write for example 10s")]
    Timeout {
        /// The backend's name.
        backend: String,
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
