//! What a sink has gathered of one partition and writes together, as plain data.
//!
//! Invariant: a part covers every offset from where the one before it ends to its own end, so however a batch is halved,
//! what the target holds moves without a gap.

use pipeline_kafka::{Delivery, Partition};

use crate::sink::{Batch, Placed};

/// A batch with the messages that its records were read from.
#[derive(Debug)]
pub(crate) struct Part<I> {
    batch: Batch<I>,
    /// One for each record, in the same order.
    messages: Vec<Delivery>,
    bytes: usize,
}

// === impl Part ===

impl<I> Part<I> {
    /// Nothing yet; begins at this offset.
    pub(crate) fn from(partition: Partition, offset: i64) -> Self {
        let batch = Batch { partition, begin: offset, end: offset, records: Vec::new() };
        Self { batch, messages: Vec::new(), bytes: 0 }
    }

    /// Takes a record at the end.
    pub(crate) fn push(&mut self, record: I, message: Delivery) {
        let offset = message.position.offset;
        self.bytes += message.size();
        self.batch.records.push(Placed { offset, record });
        self.messages.push(message);
        self.batch.end = offset + 1;
    }

    /// Covers this offset without a record: its message is a dead letter.
    pub(crate) fn pass(&mut self, offset: i64) {
        self.batch.end = offset + 1;
    }

    /// The same, from what the target holds.
    pub(crate) fn begin_at(mut self, offset: i64) -> Self {
        self.batch.begin = offset;
        self
    }

    pub(crate) fn batch(&self) -> &Batch<I> {
        &self.batch
    }

    pub(crate) fn messages(&self) -> &[Delivery] {
        &self.messages
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Two parts that cover the same, each with half of the records.
    pub(crate) fn halves(self) -> (Self, Self) {
        let Self { mut batch, mut messages, .. } = self;
        let middle = messages.len() / 2;
        let (records, later) = (batch.records.split_off(middle), messages.split_off(middle));
        let border = later.first().map_or(batch.end, |message| message.position.offset);
        let after = Batch { partition: batch.partition.clone(), begin: border, end: batch.end, records };
        batch.end = border;
        (Self::of(batch, messages), Self::of(after, later))
    }

    fn of(batch: Batch<I>, messages: Vec<Delivery>) -> Self {
        let bytes = messages.iter().map(Delivery::size).sum();
        Self { batch, messages, bytes }
    }
}

#[cfg(test)]
mod tests {
    use pipeline_kafka::Position;
    use proptest::prelude::*;

    use super::*;

    fn message(offset: i64) -> Delivery {
        let partition = Partition { topic: "t".to_owned(), number: 0 };
        Delivery {
            position: Position { partition, offset },
            key: None,
            payload: Some(vec![0; 10]),
            headers: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn halves_keep_all_records_in_order_and_leave_no_gap(gaps in prop::collection::vec(0i64..4, 2..40), behind in 0i64..3) {
            let place = Partition { topic: "t".to_owned(), number: 0 };
            let mut part = Part::from(place, 0);
            let mut offset = 0;
            for gap in &gaps {
                offset += gap;
                part.push(offset, message(offset));
                offset += 1;
            }
            if behind > 0 {
                part.pass(offset + behind);
            }
            let end = part.batch.end;
            let mut parts = vec![part];
            let mut seen = Vec::new();
            let mut begin = 0;
            while let Some(part) = parts.pop() {
                if part.messages.len() > 1 {
                    let (earlier, later) = part.halves();
                    prop_assert!(!earlier.messages.is_empty() && !later.messages.is_empty());
                    prop_assert_eq!(later.bytes, later.messages.iter().map(Delivery::size).sum::<usize>());
                    parts.extend([later, earlier]);
                    continue;
                }
                prop_assert_eq!((part.batch.begin, part.messages.len()), (begin, part.batch.records.len()));
                prop_assert!(part.batch.end > begin);
                for placed in &part.batch.records {
                    prop_assert!((begin..part.batch.end).contains(&placed.offset));
                    prop_assert_eq!(placed.offset, placed.record);
                    seen.push(placed.offset);
                }
                begin = part.batch.end;
            }
            prop_assert_eq!(begin, end);
            prop_assert_eq!(seen.len(), gaps.len());
            prop_assert!(seen.is_sorted());
        }
    }
}
