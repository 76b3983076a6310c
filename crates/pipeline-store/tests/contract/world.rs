//! A source in memory, and what the views must show for it.

use std::collections::BTreeMap;

use pipeline_model::documents::{
    Attributes, Bundle, DataType, DocumentFault, FaultCode, Level, Provider, Service, SubscriptionField, format_text,
};

use crate::target::{Target, TextRow};

/// All documents, by id.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub services: BTreeMap<String, ServiceNode>,
}

#[derive(Clone, Debug)]
pub struct ServiceNode {
    pub name: Option<String>,
    pub attributes: String,
    pub providers: BTreeMap<String, ProviderNode>,
}

#[derive(Clone, Debug)]
pub struct ProviderNode {
    pub name: Option<String>,
    pub attributes: String,
    pub bundles: Vec<Bundle>,
}

/// The four views, each sorted, without the generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Views {
    pub services: Vec<TextRow>,
    pub providers: Vec<TextRow>,
    pub bundles: Vec<TextRow>,
    pub fields: Vec<TextRow>,
}

impl World {
    /// So many of each under each parent.
    pub fn new(services: usize, providers: usize, bundles: usize, fields: usize) -> Self {
        let provider = |service: usize, provider: usize| ProviderNode {
            name: Some(format!("Provider {provider}")),
            attributes: format!(r#"{{"of":{service}}}"#),
            bundles: (0..bundles).map(|bundle| new_bundle(&format!("b{bundle}"), fields)).collect(),
        };
        let service = |service: usize| ServiceNode {
            name: Some(format!("Service {service}")),
            attributes: "{}".to_owned(),
            providers: (0..providers).map(|number| (format!("p{number}"), provider(service, number))).collect(),
        };
        Self { services: (0..services).map(|number| (format!("s{number}"), service(number))).collect() }
    }

    pub fn service_documents(&self) -> Vec<Service> {
        let document = |(id, node): (&String, &ServiceNode)| Service {
            id: id.as_str().into(),
            name: node.name.clone(),
            attributes: Attributes(node.attributes.clone()),
            source_cas: None,
        };
        self.services.iter().map(document).collect()
    }

    pub fn provider_documents(&self, service: &str) -> Vec<Provider> {
        let document = |(id, node): (&String, &ProviderNode)| Provider {
            service_id: service.into(),
            id: id.as_str().into(),
            name: node.name.clone(),
            attributes: Attributes(node.attributes.clone()),
            source_cas: None,
        };
        self.services.get(service).into_iter().flat_map(|node| &node.providers).map(document).collect()
    }

    pub fn provider(&mut self, service: &str, provider: &str) -> &mut ProviderNode {
        self.services.get_mut(service).unwrap().providers.get_mut(provider).unwrap()
    }

    /// What readers must see.
    pub fn views(&self) -> Views {
        let mut views = Views::default();
        for (service, node) in &self.services {
            views.services.push(vec![some(service), node.name.clone(), some(&node.attributes)]);
            for (provider, node) in &node.providers {
                views.providers.push(vec![some(service), some(provider), node.name.clone(), some(&node.attributes)]);
                for bundle in &node.bundles {
                    let parents = [some(service), some(provider), some(&bundle.id)];
                    let own = [bundle.name.as_deref().and_then(some), some(bundle.attributes.as_str())];
                    views.bundles.push(parents.iter().cloned().chain(own).collect());
                    views.fields.extend(bundle.fields.iter().map(|field| {
                        let own = [
                            some(&field.id),
                            field.name.as_deref().and_then(some),
                            field.value.as_deref().and_then(some),
                            some(field.data_type.as_str()),
                            field.required.map(|required| i64::from(required).to_string()),
                            Some(field.position.to_string()),
                            some(field.attributes.as_str()),
                        ];
                        parents.iter().cloned().chain(own).collect::<TextRow>()
                    }));
                }
            }
        }
        views.services.sort();
        views.providers.sort();
        views.bundles.sort();
        views.fields.sort();
        views
    }
}

impl Views {
    /// What readers see.
    pub async fn read(target: &Target) -> Self {
        Self {
            services: target.rows("SELECT service_id, name, attributes FROM provider_services").await,
            providers: target.rows("SELECT service_id, provider_id, name, attributes FROM providers").await,
            bundles: target.rows("SELECT service_id, provider_id, bundle_id, name, attributes FROM bundles").await,
            fields: target
                .rows(
                    "SELECT service_id, provider_id, bundle_id, field_id, name, value, data_type, \
                     CAST(required AS CHAR), CAST(position AS CHAR), attributes FROM subscription_fields",
                )
                .await,
        }
    }
}

pub fn new_bundle(id: &str, fields: usize) -> Bundle {
    let field = |number: usize| SubscriptionField {
        id: format_text!("f{number}"),
        name: Some(format_text!("Field {number}")),
        value: Some(format_text!("{number}.50")),
        data_type: DataType::Number,
        required: Some(number.is_multiple_of(2)),
        position: i64::try_from(number).unwrap(),
        attributes: Attributes::empty(),
    };
    Bundle {
        id: id.into(),
        name: Some(format_text!("Bundle {id}")),
        attributes: Attributes::empty(),
        source_cas: None,
        fields: (0..fields).map(field).collect(),
    }
}

pub fn fault(level: Level, service: Option<&str>, provider: Option<&str>) -> DocumentFault {
    DocumentFault {
        level,
        service_id: service.map(Into::into),
        provider_id: provider.map(Into::into),
        bundle_id: None,
        document_id: None,
        place: "test.jsonl:1".to_owned(),
        code: FaultCode::WrongType,
        reason: "`name` is a number, expected a string".to_owned(),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}
