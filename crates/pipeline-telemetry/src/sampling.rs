//! Which batches a trace keeps in any case, decided before anybody knows how they fare.
//!
//! A run of ten thousand batches would be a trace that nobody can open. So a trace keeps what tells people something: each
//! service, each batch that fails or is slow (`otlp/keeping.rs`), and of the others a sample. The sample follows from
//! the run and the number of the batch alone: whoever asks gets the same answer, in every process and after every crash.
//! It travels as the flag *sampled* of the message's `traceparent`.

/// Sampled messages of one trace that a process keeps, at most.
pub const MESSAGES: usize = 1_000;
/// Sampled spans below messages, such as transactions, that a process keeps of one trace, at most.
pub const DETAILS: usize = 500;
/// Messages of one trace that are kept for how they fared, at most.
pub const LATE: usize = 100;
/// One batch in so many is kept, beside the first ones.
pub const ONE_IN: u64 = 32;
/// The golden ratio in 64 bits: neighbours lie far apart after a multiplication with it.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Whether the trace keeps this batch of each service: the numbers 0, 1, 2, 4, 8 and so on, which show how a service goes
/// on, and one in 32 of all, other ones in each run.
pub fn keeps_batch(trace_id: u128, batch_no: i32) -> bool {
    let number = u64::try_from(batch_no).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "the last 64 bits of a run's id are the random ones")]
    let run = trace_id as u64;
    // The high bits of the product depend on all bits of the number.
    let mixed = (run ^ number).wrapping_mul(SPREAD) >> 32;
    number & number.wrapping_sub(1) == 0 || mixed.is_multiple_of(ONE_IN)
}

#[cfg(test)]
mod tests {
    use super::keeps_batch;

    #[test]
    fn a_sample_is_small_the_same_for_everybody_and_another_in_each_run() {
        let runs = [0x0190_a1b2_c3d4_7000_8000_0000_0000_0001_u128, 0x0190_a1b2_c3d4_7000_9abc_def0_1234_5678];
        let samples = runs.map(|run| (0..10_000).filter(|batch| keeps_batch(run, *batch)).collect::<Vec<_>>());
        for sample in &samples {
            assert!([0, 1, 2, 4, 8, 4_096].iter().all(|batch| sample.contains(batch)));
            assert!((200..450).contains(&sample.len()), "{} of 10,000", sample.len());
        }
        assert_ne!(samples[0], samples[1]);
        assert!(keeps_batch(runs[0], i32::MIN), "a number that no batch has is no reason to panic");
    }
}
