//! Chance that a seed repeats.

use std::ops::Range;
use std::time::Duration;

/// A stream of random numbers (SplitMix64, by Steele, Lea and Flood).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// Whether it happens that comes once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A time within a range that is not empty.
    pub fn within(&mut self, range: Range<Duration>) -> Duration {
        let micros = (range.end - range.start).as_micros().max(1);
        range.start + Duration::from_micros(self.below(u64::try_from(micros).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_stream_and_another_one_does_not() {
        let draw = |seed| (0..5).scan(Chance::new(seed), |chance, _| Some(chance.draw())).collect::<Vec<_>>();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        // The first number of SplitMix64 from 0, as published with it.
        assert_eq!(draw(0)[0], 0xe220_a839_7b1d_cdaf);
    }
}
