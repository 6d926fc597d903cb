//! Names of the stretches of a point's way that are timed.

/// A timed stretch. Rows of `flyball.stages`, and quantiles in `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// First byte of a request to its answer.
    ReceiveToAck,
    /// First byte of a request to the decision of a rule that it woke.
    ReceiveToDecision,
    /// Decision to the backend's 2xx.
    DecisionToDelivered,
}

impl Stage {
    /// All of them, in the order of a point's way.
    pub const ALL: [Stage; 3] = [Stage::ReceiveToAck, Stage::ReceiveToDecision, Stage::DecisionToDelivered];

    /// The name in `flyball.stages` and the `stage` label in `/metrics`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::ReceiveToAck => "receive_to_ack",
            Stage::ReceiveToDecision => "receive_to_decision",
            Stage::DecisionToDelivered => "decision_to_delivered",
        }
    }
}
