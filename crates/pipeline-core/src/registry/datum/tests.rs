use apache_avro::{
    Schema as AvroSchema, reader::datum::GenericDatumReader, types::Value, writer::datum::GenericDatumWriter,
};
use proptest::prelude::*;

use super::*;

/// Every kind of type, among them a name used twice and a record within itself.
const EVERYTHING: &str = r#"{"type":"record","name":"Everything","namespace":"test","fields":[
    {"name":"flag","type":"boolean"}, {"name":"int","type":"int"}, {"name":"long","type":"long"},
    {"name":"float","type":"float"}, {"name":"double","type":"double"}, {"name":"bytes","type":"bytes"},
    {"name":"text","type":"string"}, {"name":"fixed","type":{"type":"fixed","name":"Four","size":4}},
    {"name":"again","type":"Four"}, {"name":"choice","type":{"type":"enum","name":"Choice","symbols":["A","B"]}},
    {"name":"list","type":{"type":"array","items":"long"}}, {"name":"map","type":{"type":"map","values":"string"}},
    {"name":"union","type":["null","string","Choice"]}, {"name":"next","type":["null","Everything"]}]}"#;

fn everything(next: Option<Value>) -> Value {
    let union = |branch, value| Value::Union(branch, Box::new(value));
    let fields = [
        ("flag", Value::Boolean(true)),
        ("int", Value::Int(-3)),
        ("long", Value::Long(i64::MIN)),
        ("float", Value::Float(1.5)),
        ("double", Value::Double(-0.25)),
        ("bytes", Value::Bytes(vec![0, 255])),
        ("text", Value::String("Größe 🚀".to_owned())),
        ("fixed", Value::Fixed(4, vec![1, 2, 3, 4])),
        ("again", Value::Fixed(4, vec![5, 6, 7, 8])),
        ("choice", Value::Enum(1, "B".to_owned())),
        ("list", Value::Array(vec![Value::Long(1), Value::Long(-1_000_000)])),
        ("map", Value::Map([("k".to_owned(), Value::String("v".to_owned()))].into())),
        ("union", union(1, Value::String("s".to_owned()))),
        ("next", next.map_or_else(|| union(0, Value::Null), |next| union(1, next))),
    ];
    Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

fn written(schema: &AvroSchema) -> Vec<u8> {
    let value = everything(Some(everything(None)));
    GenericDatumWriter::builder(schema).build().unwrap().write_value_to_vec(value).unwrap()
}

#[test]
fn a_whole_datum_passes_and_every_cut_or_addition_is_noticed() {
    let schema = AvroSchema::parse_str(EVERYTHING).unwrap();
    let layout = Layout::of(EVERYTHING).unwrap();
    let mut bytes = written(&schema);
    assert_eq!(layout.check(&bytes), Ok(()));
    for cut in 0..bytes.len() {
        assert_eq!(layout.check(&bytes[..cut]), Err(Fault::Truncated), "cut at {cut}");
    }
    bytes.push(0);
    assert_eq!(layout.check(&bytes), Err(Fault::Trailing { bytes: 1 }));
}

#[test]
fn arrays_of_several_blocks_with_and_without_sizes_pass() {
    let layout = Layout::of(r#"{"type":"array","items":"int"}"#).unwrap();
    // Two items; then minus one, its size of one byte, one item; then the end.
    assert_eq!(layout.check(&[4, 2, 4, 1, 2, 6, 0]), Ok(()));
}

#[test]
fn lengths_and_counts_beyond_the_data_are_refused_at_once() {
    let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let check = |schema: &str, bytes: &[u8]| Layout::of(schema).unwrap().check(bytes);
    assert_eq!(check(r#""string""#, &huge), Err(Fault::Truncated));
    assert_eq!(check(r#""bytes""#, &[1]), Err(Fault::Damaged { what: "a length is negative" }));
    let too_many = Err(Fault::Damaged { what: "it counts more items than it has" });
    assert_eq!(check(r#"{"type":"array","items":"null"}"#, &huge), too_many);
    assert_eq!(check(r#"{"type":"map","values":"null"}"#, &huge), too_many);
    assert_eq!(check(r#""long""#, &[0xff; 11]), Err(Fault::Damaged { what: "a number has more than 64 bits" }));
}

#[test]
fn a_message_cannot_choose_how_deep_the_decoder_recurses() {
    let recursive = r#"{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]}]}"#;
    let layout = Layout::of(recursive).unwrap();
    assert_eq!(layout.check(&[2, 2, 2, 0]), Ok(()));
    assert_eq!(layout.check(&[2; 100_000]), Err(Fault::Excessive { what: "it is nested too deeply" }));
}

/// Records that hold the one before them twice, `levels` times over, as the fields of one record; the innermost has this
/// field.
pub(crate) fn doubling(levels: usize, innermost: &str) -> String {
    let record = |level: usize, fields: &str| {
        let record = format!(r#"{{"type":"record","name":"R{level}","fields":[{fields}]}}"#);
        format!(r#"{{"name":"f{level}","type":{record}}}"#)
    };
    let twice = |of: usize| format!(r#"{{"name":"a","type":"R{of}"}},{{"name":"b","type":"R{of}"}}"#);
    let levels = (1..=levels).map(|level| record(level, &twice(level - 1)));
    let fields: Vec<String> = std::iter::once(record(0, innermost)).chain(levels).collect();
    format!(r#"{{"type":"record","name":"Levels","fields":[{}]}}"#, fields.join(","))
}

#[test]
fn values_count_whether_they_have_bytes_or_not() {
    let too_many = Err(Fault::Excessive { what: "it has too many values" });
    for (innermost, datum) in [("", vec![]), (r#"{"name":"n","type":"null"}"#, vec![]), ("", vec![0; 60])] {
        let layout = Layout::of(&doubling(50, innermost)).unwrap();
        assert_eq!(layout.check(&datum), too_many);
    }
    // As many items as the bytes of a small message may count, each a tree without a byte.
    let tree = format!(r#"{{"type":"array","items":{}}}"#, doubling(30, ""));
    let layout = Layout::of(&tree).unwrap();
    assert_eq!(layout.check(&[2, 0]), too_many);
    let few = Layout::of(&doubling(10, "")).unwrap();
    assert_eq!(few.check(&[]), Ok(()));
}

#[test]
fn what_names_and_symbols_take_when_they_are_decoded_counts() {
    let name = "n".repeat(10_000);
    let too_large = Err(Fault::Excessive { what: "it takes too much memory" });
    let items = |items: &str| Layout::of(&format!(r#"{{"type":"array","items":{items}}}"#));
    let mut datum = vec![0x80, 0x40]; // 4,096 items
    datum.extend([0; 4_097]);
    let symbols = items(&format!(r#"{{"type":"enum","name":"E","symbols":["{name}"]}}"#)).unwrap();
    assert_eq!(symbols.check(&datum), too_large);
    let fields = items(&format!(r#"{{"type":"record","name":"R","fields":[{{"name":"{name}","type":"int"}}]}}"#));
    assert_eq!(fields.unwrap().check(&datum), too_large);
    let short = items(r#"{"type":"record","name":"R","fields":[{"name":"n","type":"int"}]}"#).unwrap();
    assert_eq!(short.check(&datum), Ok(()));
}

#[test]
fn a_megabyte_of_short_texts_is_not_too_much() {
    let texts = 200_000_usize;
    let layout = Layout::of(r#"{"type":"array","items":"string"}"#).unwrap();
    let mut datum = vec![0x80, 0xb5, 0x18]; // 200,000 items
    (0..texts).for_each(|_| datum.extend([8, b'p', b'-', b'1', b'2']));
    datum.push(0);
    assert_eq!((datum.len(), layout.check(&datum)), (1_000_004, Ok(())));
}

proptest! {
    #[test]
    fn whatever_passes_can_be_decoded_to_its_end(bytes in mutations()) {
        let schema = AvroSchema::parse_str(EVERYTHING).unwrap();
        if Layout::of(EVERYTHING).unwrap().check(&bytes).is_ok() {
            let mut rest = bytes.as_slice();
            // Text that is not UTF-8 and symbols that do not exist are the decoder's to find.
            if GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut rest).is_ok() {
                prop_assert!(rest.is_empty());
            }
        }
    }
}

/// Arbitrary bytes, and real ones with a byte changed.
fn mutations() -> impl Strategy<Value = Vec<u8>> {
    let real = written(&AvroSchema::parse_str(EVERYTHING).unwrap());
    let changed = (0..real.len(), any::<u8>()).prop_map(move |(place, byte)| {
        let mut bytes = real.clone();
        bytes[place] = byte;
        bytes
    });
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), changed]
}
