//! What generated documents look like: every type of value, names in several scripts, and fields that no mapping knows.

use pipeline_model::{
    documents::{Attributes, Bundle, DataType, Provider, Service, SubscriptionField, Text, format_text},
    ids::{ProviderId, ServiceId},
};

use super::dice::Dice;

const BRANCHES: [&str; 8] =
    ["Payments", "Messaging", "Energy", "Mobility", "Insurance", "Santé", "Küche & Büro", "物流"];
const COMPANIES: [&str; 8] =
    ["Nordwind", "Acme", "Soleil", "Kiwi 🥝", "Łódź Data", "東京電子", "Дельта", "O'Neil \"24\""];
const TIERS: [&str; 4] = ["basic", "standard", "premium", "enterprise"];
const COUNTRIES: [&str; 6] = ["DE", "FR", "JP", "PL", "GB", "US"];
const FIELDS: [&str; 8] =
    ["contract_reference", "monthly_price", "trial", "discontinued_on", "limits", "contact", "seats", "regions"];

// What each level adds to a place, so that no two documents throw the same dice.
const SERVICE: u64 = 1;
const PROVIDER: u64 = 2;
const BUNDLE: u64 = 3;
const FIELD: u64 = 4;

/// A service by its number.
pub fn service(seed: u64, number: u64) -> Service {
    let mut dice = Dice::for_place(&[seed, SERVICE, number]);
    let name = format!("{} {}", dice.one_of(&BRANCHES), number + 1);
    let attributes = format!(r#"{{"type":"provider_service","priority":{}}}"#, dice.below(10));
    Service { id: service_id(number), name: Some(name), attributes: Attributes(attributes), source_cas: None }
}

/// A provider by its number among all providers.
pub fn provider(seed: u64, service_id: &ServiceId, number: u64) -> Provider {
    let mut dice = Dice::for_place(&[seed, PROVIDER, number]);
    let name = format!("{} {}", dice.one_of(&COMPANIES), dice.below(1_000));
    let country = dice.one_of(&COUNTRIES);
    let rating = format!("{}.{:02}", dice.below(5), dice.below(100));
    let attributes = format!(r#"{{"type":"provider","country":"{country}","rating":{rating}}}"#);
    Provider {
        service_id: service_id.clone(),
        id: provider_id(number),
        name: Some(name),
        attributes: Attributes(attributes),
        source_cas: None,
    }
}

/// A bundle of a provider in the version of its content.
pub fn bundle(seed: u64, provider: u64, version: u64, number: u64, fields: u64) -> Bundle {
    let mut dice = Dice::for_place(&[seed, BUNDLE, provider, version, number]);
    let tier = dice.one_of(&TIERS);
    let stock_keeping_unit = dice.below(1 << 40);
    let field = |field| self::field([seed, FIELD, provider, version, number, field]);
    Bundle {
        // Padded, so that the order of numbers is the order of ids.
        id: format_text!("bundle-{:07}", number + 1),
        name: Some(format_text!("{tier} {}", number + 1)),
        attributes: Attributes(format!(r#"{{"type":"bundle","tier":"{tier}","sku":{stock_keeping_unit}}}"#)),
        source_cas: None,
        fields: (0..fields).map(field).collect(),
    }
}

/// The id of a service.
pub fn service_id(number: u64) -> ServiceId {
    ServiceId(format!("service-{:04}", number + 1))
}

/// The id of a provider.
pub fn provider_id(number: u64) -> ProviderId {
    ProviderId(format!("provider-{:07}", number + 1))
}

/// The number of the service with an id.
pub fn service_number(id: &ServiceId) -> Option<u64> {
    let number = id.as_str().strip_prefix("service-")?.parse::<u64>().ok()?.checked_sub(1)?;
    (service_id(number) == *id).then_some(number)
}

/// The number of the provider with an id.
pub fn provider_number(id: &ProviderId) -> Option<u64> {
    let number = id.as_str().strip_prefix("provider-")?.parse::<u64>().ok()?.checked_sub(1)?;
    (provider_id(number) == *id).then_some(number)
}

fn field(place: [u64; 6]) -> SubscriptionField {
    let [.., number] = place;
    let mut dice = Dice::for_place(&place);
    let kinds = u64::try_from(FIELDS.len()).unwrap_or(1);
    let kind = usize::try_from(number % kinds).ok().and_then(|kind| FIELDS.get(kind)).copied().unwrap_or_default();
    let (value, data_type) = value(kind, &mut dice);
    let attributes = match dice.below(4) {
        0 => Attributes(format!(r#"{{"unit":"EUR","since":{}}}"#, 2_000 + dice.below(30))),
        _ => Attributes::empty(),
    };
    let required = match dice.below(3) {
        0 => None,
        choice => Some(choice == 1),
    };
    SubscriptionField {
        id: format_text!("field-{:05}", number + 1),
        name: Some(if number < kinds { kind.into() } else { format_text!("{kind}_{}", number / kinds + 1) }),
        value: Some(value),
        data_type,
        required,
        position: i64::try_from(number).unwrap_or(i64::MAX),
        attributes,
    }
}

fn value(kind: &str, dice: &mut Dice) -> (Text, DataType) {
    match kind {
        "monthly_price" => (format_text!("{}.{:02}", dice.below(1_000), dice.below(100)), DataType::Number),
        "seats" => (format_text!("{}", dice.below(10_000)), DataType::Number),
        "trial" => (format_text!("{}", dice.below(2) == 0), DataType::Boolean),
        "discontinued_on" if dice.below(2) == 0 => ("null".into(), DataType::Null),
        "discontinued_on" => {
            (format_text!("20{:02}-{:02}-01", 20 + dice.below(20), 1 + dice.below(12)), DataType::String)
        }
        "limits" => {
            (format_text!(r#"{{"per_day":{},"burst":{}}}"#, dice.below(100_000), dice.below(50)), DataType::Json)
        }
        "regions" => (format_text!(r#"["{}","{}"]"#, dice.one_of(&COUNTRIES), dice.one_of(&COUNTRIES)), DataType::Json),
        "contact" => {
            (format_text!("{} <{:x}@example.com>", dice.one_of(&COMPANIES), dice.below(1 << 32)), DataType::String)
        }
        _ => (format_text!("{:016x}", dice.next()), DataType::String),
    }
}
