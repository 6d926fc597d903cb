//! What the machine has to spare, as the rest of the runtime asks for it.

use std::sync::Arc;

/// Tells how many cores had nothing to do just now.
pub type IdleCores = Arc<dyn Fn() -> f64 + Send + Sync>;
