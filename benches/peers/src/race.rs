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
    let counts: Vec<usize> =
        contenders.iter_mut().map(|it| calibrate(&mut it.work, pace.turn)).collect();
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
fn calibrate(work: &mut dyn FnMut(usize), turn: Duration) -> usize {
    let mut count = 1;
    loop {
        let each = sample(work, count);
        let spent = each * float(count);
        if spent * 4.0 >= nanos(turn) || count >= 1 << 24 {
            return whole(nanos(turn) / each.max(0.1)).max(1);
        }
        count *= 2;
    }
}

fn summary(mut samples: Vec<f64>) -> Time {
    samples.sort_by(f64::total_cmp);
    let at = |quarter: usize| samples[(samples.len() - 1) * quarter / 4];
    let median = at(2);
    Time { nanos: median, noisy: at(1) < median * 0.9 && at(3) > median * 1.1 }
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
