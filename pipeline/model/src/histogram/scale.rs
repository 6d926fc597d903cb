//! Where exponential buckets begin and end.
//!
//! At scale `s` the base is 2^(2^-s). The bucket `i` holds magnitudes in (base^i, base^(i + 1)], as the OpenTelemetry data
//! model says. Halving the resolution joins the buckets 2i and 2i + 1, so bounds of a scale are bounds of all finer ones.

/// The coarsest scale: one bucket below 1 and one above.
pub const SCALE_MIN: i8 = -10;
/// The finest scale.
pub const SCALE_MAX: i8 = 20;

/// Where the bucket `index` begins, and the one before ends: base^index. 2^1024 is written as the greatest float, and what is
/// greater is infinite: only an infinite observation is in the bucket above.
pub fn boundary(scale: i8, index: i64) -> f64 {
    let (whole, part) = match u32::try_from(scale) {
        Ok(fine) => (index >> fine, (index & ((1 << fine) - 1)) as f64 / (1_i64 << fine) as f64),
        Err(_) => (index.saturating_mul(1 << scale.unsigned_abs()), 0.0),
    };
    match whole {
        1025.. => f64::INFINITY,
        1024 if part > 0.0 => f64::INFINITY,
        1024 => f64::MAX,
        _ => part.exp2() * (whole as f64).exp2(),
    }
}

/// The bucket that holds a magnitude, which is above zero.
pub fn index_of(scale: i8, magnitude: f64) -> i64 {
    debug_assert!(magnitude > 0.0, "zero has no bucket");
    if magnitude.is_infinite() {
        return index_max(scale);
    }
    let exact = magnitude.log2();
    let guess = if scale >= 0 {
        (exact * (1_i64 << scale) as f64).ceil() as i64 - 1
    } else {
        (exact.ceil() as i64 - 1) >> scale.unsigned_abs()
    };
    // The logarithm is rounded, so the guess may be off by one, and right at a bound it matters. No more than by one: among the
    // smallest floats many fine buckets share their bounds, and any of them will do.
    if boundary(scale, guess) >= magnitude {
        guess - 1
    } else {
        guess + i64::from(boundary(scale, guess + 1) < magnitude)
    }
}

/// The first index that a float can have.
pub fn index_min(scale: i8) -> i64 {
    index_of(scale, f64::from_bits(1))
}

/// The last index, that of infinite observations.
pub fn index_max(scale: i8) -> i64 {
    index_of(scale, f64::MAX) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_exact_at_powers_of_two() {
        for (scale, index, expected) in [
            (0, 0, 1.0),
            (0, -1074, f64::from_bits(1)),
            (0, -1075, 0.0),
            (0, 1023, 2_f64.powi(1023)),
            (0, 1024, f64::MAX),
            (0, 1025, f64::INFINITY),
            (3, 8, 2.0),
            (3, -8, 0.5),
            (1, 1, 2_f64.sqrt()),
            (20, 1 << 30, f64::MAX),
            (-1, 1, 4.0),
            (-10, 0, 1.0),
            (-10, 1, f64::MAX),
            (-10, -2, 0.0),
        ] {
            assert_eq!(boundary(scale, index), expected, "scale {scale}, index {index}");
        }
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it_at_every_scale() {
        for scale in SCALE_MIN..=SCALE_MAX {
            for magnitude in
                [f64::from_bits(1), 1e-310, 1e-9, 0.25, 0.3, 1.0, 1.5, 2.0, 1e9, 2_f64.powi(1000), f64::MAX]
            {
                let index = index_of(scale, magnitude);
                let (lower, upper) = (boundary(scale, index), boundary(scale, index + 1));
                assert!(lower < magnitude && magnitude <= upper, "scale {scale}: {lower} < {magnitude} <= {upper}");
            }
        }
    }

    #[test]
    fn infinite_observations_are_behind_the_greatest_float() {
        assert_eq!(index_of(0, f64::INFINITY), 1024);
        assert_eq!((boundary(0, 1024), boundary(0, 1025)), (f64::MAX, f64::INFINITY));
    }
}
