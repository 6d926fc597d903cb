//! A metric's points in the order of a file: by series, then by time, equal ones in the order of their arrival.
//!
//! Points of one series mostly arrive in the order of their times, and a metric's series have numbers close together. So the
//! points are dealt out to their series by counting, which touches each of them twice, and only a series that did not come in
//! order is sorted.

use crate::hot::chunk::{Chunk, Columns};

/// Numbers without a point that are accepted between a metric's first and last series, for each point: beyond, counting would
/// touch more empty places than points.
const EMPTY_PER_POINT_MAX: usize = 4;

/// The points of all chunks (in the order of their arrival), in order.
pub(crate) fn sorted<'c>(chunks: impl Iterator<Item = &'c Chunk> + Clone) -> Columns {
    let points = chunks.clone().map(|chunk| chunk.points.len()).sum::<usize>();
    let series = || chunks.clone().flat_map(|chunk| chunk.points.series.iter().copied());
    let (first, last) = series().fold((u32::MAX, 0), |(first, last), series| (first.min(series), last.max(series)));
    if points == 0 {
        return Columns::default();
    }
    let span = (last - first) as usize + 1;
    let mut columns = if span / EMPTY_PER_POINT_MAX <= points {
        dealt_out(chunks.clone(), points, first, span)
    } else {
        by_comparison(chunks.clone(), points)
    };
    put_times_in_order(&mut columns);
    columns
}

/// The points by series, each series' in the order of arrival. All series lie in `first..first + span`.
fn dealt_out<'c>(chunks: impl Iterator<Item = &'c Chunk> + Clone, points: usize, first: u32, span: usize) -> Columns {
    // Where the next point of a series goes.
    let mut next = vec![0_u32; span];
    for chunk in chunks.clone() {
        for series in &chunk.points.series {
            next[(series - first) as usize] += 1;
        }
    }
    let mut place = 0;
    for next in &mut next {
        place += std::mem::replace(next, place);
    }
    let mut columns = Columns { series: vec![0; points], time: vec![0; points], value: vec![0.0; points] };
    for chunk in chunks {
        let points = &chunk.points;
        for ((&series, &time), &value) in points.series.iter().zip(&points.time).zip(&points.value) {
            let next = &mut next[(series - first) as usize];
            let place = *next as usize;
            *next += 1;
            columns.series[place] = series;
            columns.time[place] = time;
            columns.value[place] = value;
        }
    }
    columns
}

/// The same for a metric whose few points belong to series far apart.
fn by_comparison<'c>(chunks: impl Iterator<Item = &'c Chunk>, points: usize) -> Columns {
    let mut rows = Vec::with_capacity(points);
    for chunk in chunks {
        let points = &chunk.points;
        rows.extend(points.series.iter().zip(&points.time).zip(&points.value).map(|((&s, &t), &v)| (s, t, v)));
    }
    rows.sort_by_key(|row| row.0);
    let mut columns = Columns::default();
    columns.grow(points);
    rows.into_iter().for_each(|(series, time, value)| columns.push(series, time, value));
    columns
}

fn put_times_in_order(columns: &mut Columns) {
    let mut start = 0;
    let lengths: Vec<_> = columns.series.chunk_by(|a, b| a == b).map(<[u32]>::len).collect();
    for length in lengths {
        let run = start..start + length;
        start += length;
        let (times, values) = (&mut columns.time[run.clone()], &mut columns.value[run]);
        if !times.is_sorted() {
            let mut pairs: Vec<_> = times.iter().copied().zip(values.iter().copied()).collect();
            pairs.sort_by_key(|pair| pair.0);
            for ((time, value), pair) in times.iter_mut().zip(values).zip(pairs) {
                (*time, *value) = pair;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hot::arrival::Arrival;

    fn check(chunks: &[Vec<(u32, i64)>]) {
        let mut number = 0.0;
        let mut expected = Vec::new();
        let mut made = Vec::new();
        for chunk in chunks {
            let mut columns = Columns::default();
            for &(series, time) in chunk {
                columns.push(series, time, number);
                expected.push((series, time, number));
                number += 1.0;
            }
            made.push(columns.seal(Arrival::default()));
        }
        expected.sort_by_key(|row| (row.0, row.1));
        let sorted = sorted(made.iter().map(|chunk| &**chunk));
        let rows: Vec<_> =
            sorted.series.iter().zip(&sorted.time).zip(&sorted.value).map(|((&s, &t), &v)| (s, t, v)).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn no_points_are_in_order() {
        check(&[]);
    }

    #[test]
    fn series_far_apart_are_put_in_order_too() {
        check(&[vec![(4_000_000_000, 2), (5, 1), (4_000_000_000, 1), (5, 1)]]);
    }

    proptest! {
        #[test]
        fn points_are_sorted_by_series_and_time_and_else_keep_their_order(
            chunks in prop::collection::vec(prop::collection::vec((7_u32..30, 0_i64..5), 1..50), 1..4)
        ) {
            check(&chunks);
        }
    }
}
