//! Whether a figure grows, beyond its noise.

/// A straight line through figures that were taken at even distances, by least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Growth from one figure to the next.
    pub slope: f64,
    /// Half the width of the interval in which the slope lies with 95 % confidence.
    pub margin: f64,
}

/// Two-sided 95 % of the normal distribution.
const NORMAL_95: f64 = 1.96;

impl Trend {
    /// The trend of figures; `None` of fewer than ten. Neighbours are alike in most processes, which makes a slope look surer than it
    /// is: the margin is widened by what the correlation of neighbouring residuals says.
    pub fn of(figures: &[f64]) -> Option<Self> {
        if figures.len() < 10 {
            return None;
        }
        let count = figures.len() as f64;
        let (mid, mean) = ((count - 1.0) / 2.0, figures.iter().sum::<f64>() / count);
        let offsets = || (0..figures.len()).map(|index| index as f64 - mid);
        let spread: f64 = offsets().map(|offset| offset * offset).sum();
        let slope = offsets().zip(figures).map(|(offset, figure)| offset * (figure - mean)).sum::<f64>() / spread;
        let residuals: Vec<f64> =
            offsets().zip(figures).map(|(offset, figure)| figure - mean - slope * offset).collect();
        let squares: f64 = residuals.iter().map(|residual| residual * residual).sum();
        let neighbours: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let alike = if squares > 0.0 { (neighbours / squares).clamp(0.0, 0.95) } else { 0.0 };
        let error = (squares / (count - 2.0) / spread * (1.0 + alike) / (1.0 - alike)).sqrt();
        Some(Self { slope, margin: NORMAL_95 * error })
    }

    /// Whether it grows for sure.
    pub fn grows(&self) -> bool {
        self.slope > self.margin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Chance;

    fn noisy(slope: f64) -> Vec<f64> {
        let mut chance = Chance::new(3);
        (0..150).map(|index| 100.0 + slope * f64::from(index) + chance.below(1_000) as f64 / 250.0).collect()
    }

    #[test]
    fn a_slope_is_found_and_noise_is_none() {
        let steep = Trend::of(&noisy(0.1)).expect("enough figures");
        assert!((steep.slope - 0.1).abs() < 0.01 && steep.grows(), "{steep:?}");
        let flat = Trend::of(&noisy(0.0)).expect("enough figures");
        assert!(!flat.grows(), "{flat:?}");
        assert_eq!(Trend::of(&[1.0; 20]), Some(Trend { slope: 0.0, margin: 0.0 }));
        assert_eq!(Trend::of(&[1.0; 9]), None);
    }

    #[test]
    fn a_slow_swing_is_no_growth() {
        // A whole period and a half, as of a cache that is emptied now and then.
        let swing: Vec<f64> = (0..150).map(|index| (f64::from(index) / 16.0).sin()).collect();
        assert!(!Trend::of(&swing).expect("enough figures").grows());
    }
}
