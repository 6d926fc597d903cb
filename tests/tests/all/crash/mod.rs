//! What was acknowledged is there after `kill -9`, once, whatever flyball was doing.

mod estate;
mod kills;
mod moments;
mod real_senders;
mod recovery;
mod replay;
