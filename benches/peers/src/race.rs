//! Timing: contenders take short turns, so that what else the machine does hits all of them alike.

use std::time::Duration;

use crate::clock::thread_cpu;

/// How long, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub rounds: usize,
    pub turn: Duration,
}

/// Somebody who can do some work a given number of times.
pub struct Contender<'a> {
    /// Turns are multiples of this: who decodes a whole read at once would otherwise have turns that
    /// only hand out what others have paid for.
    pub unit: usize,
    pub work: Box<dyn FnMut(usize) + 'a>,
}

/// Nanoseconds of CPU for one piece of work.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    pub nanos: f64,
    /// Half of the samples are more than 10 % off the median.
    pub noisy: bool,
}

/// Gives each contender its turn in every round; medians over the rounds.
pub fn race(contenders: &mut [Contender<'_>], pace: Pace) -> Vec<Time> {
    let counts: Vec<usize> = contenders.iter_mut().map(|it| calibrate(it, pace.turn)).collect();
    let round = |round| {
        let mut samples = vec![0.0; contenders.len()];
        for at in order(contenders.len(), round) {
            samples[at] = sample(&mut contenders[at].work, counts[at]);
        }
        samples
    };
    let rounds: Vec<_> = (0..pace.rounds).map(round).collect();
    medians(&rounds).into_iter().map(|(nanos, noisy)| Time { nanos, noisy }).collect()
}

/// The turns of a round, in another order in each: nobody always follows the same one, and has to
/// do with what that leaves behind.
pub fn order(count: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = round;
    for left in (1..count).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(left, (state >> 33) % (left + 1));
    }
    order
}

fn sample(work: &mut dyn FnMut(usize), count: usize) -> f64 {
    let before = thread_cpu();
    work(count);
    nanos(thread_cpu().saturating_sub(before)) / float(count)
}

/// How many times fill a turn. Warms up on the way.
fn calibrate(contender: &mut Contender<'_>, turn: Duration) -> usize {
    let mut units = 1;
    loop {
        let each = sample(&mut contender.work, units * contender.unit);
        let spent = each * float(units * contender.unit);
        if spent * 4.0 >= nanos(turn) || units >= 1 << 20 {
            let fill = nanos(turn) / (each * float(contender.unit)).max(0.1);
            return contender.unit * whole(fill).max(1);
        }
        units *= 2;
    }
}

/// The median of each contender over rounds in which all had a turn.
///
/// Of multiples of what a round took on the whole, and so of ratios: a machine that changes its pace
/// for a while, as these do by half, would else decide for whom the median is of which pace.
pub fn medians(rounds: &[Vec<f64>]) -> Vec<(f64, bool)> {
    let pace = |round: &Vec<f64>| {
        let sum: f64 = round.iter().map(|value| value.max(f64::MIN_POSITIVE).ln()).sum();
        (sum / float(round.len())).exp()
    };
    let paces: Vec<f64> = rounds.iter().map(pace).collect();
    let (usual, _) = median(paces.clone());
    let of = |at: usize| {
        let multiples = rounds.iter().zip(&paces).map(|(round, pace)| round[at] / pace);
        let (multiple, noisy) = median(multiples.collect());
        (multiple * usual, noisy)
    };
    (0..rounds.first().map_or(0, Vec::len)).map(of).collect()
}

/// The median, and whether half of the values are more than 10 % off.
pub fn median(mut values: Vec<f64>) -> (f64, bool) {
    values.sort_by(f64::total_cmp);
    let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
    (at(2), at(1) < at(2) * 0.9 && at(3) > at(2) * 1.1)
}

pub fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn float(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
fn whole(value: f64) -> usize {
    value as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_keep_ratios_when_the_pace_changes() {
        let rounds = [[2.0, 6.0], [1.0, 3.0], [2.1, 6.0], [1.0, 3.1], [4.0, 3.0]].map(Vec::from);
        let [(first, _), (second, _)] = medians(&rounds)[..] else { panic!("two") };
        assert!((second / first - 3.0).abs() < 0.1, "{first} {second}");
    }

    #[test]
    fn everybody_has_a_turn_and_not_always_the_same_one_before() {
        let mut before = std::collections::HashSet::new();
        for round in 0..21 {
            let order = order(11, round);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..11).collect::<Vec<_>>());
            before.extend(order.windows(2).filter(|two| two[1] == 1).map(|two| two[0]));
        }
        assert!(before.len() > 5, "{before:?}");
    }
}
