//! Disks that fail, folders that go away, files that are damaged: what was acknowledged stays, and what can't be kept is refused.

mod damage;
mod disk;
mod folder;
mod full;
mod segments;
mod sender;
mod sync;
