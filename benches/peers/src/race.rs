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
    let mut samples = vec![Vec::with_capacity(pace.rounds); contenders.len()];
    for round in 0..pace.rounds {
        for turn in 0..contenders.len() {
            // Nobody always follows the same one.
            let at = (turn + round) % contenders.len();
            samples[at].push(sample(&mut contenders[at].work, counts[at]));
        }
    }
    samples.into_iter().map(summary).collect()
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

fn summary(samples: Vec<f64>) -> Time {
    let (nanos, noisy) = median(samples);
    Time { nanos, noisy }
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
