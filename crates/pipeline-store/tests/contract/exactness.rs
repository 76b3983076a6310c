//! What goes in comes out, to the last byte.

use pipeline_model::documents::{Attributes, DataType, format_text};
use pipeline_store::ActivationMode::PerService;

use crate::{
    driver::sync,
    target::Target,
    world::{Views, World, new_bundle},
};

/// Ids that a careless collation takes for one.
const ALIKE: [&str; 12] =
    ["acme", "ACME", "Acme", "acmé", "acme\u{301}", "acme ", "acme  ", " acme", "ａｃｍｅ", "ß", "ss", "🦀"];

on_both! {
    async fn ids_that_look_alike_stay_distinct(target: &Target) {
        let mut world = World::default();
        let template = World::new(1, 1, 1, 1);
        for service in ALIKE {
            let mut node = template.services["s0"].clone();
            let provider = node.providers["p0"].clone();
            node.name = Some(service.to_owned());
            node.providers = ALIKE.iter().map(|id| ((*id).to_owned(), provider.clone())).collect();
            world.services.insert(service.to_owned(), node);
        }
        let mut bundles: Vec<_> = ALIKE.iter().map(|id| new_bundle(id, 1)).collect();
        bundles.sort_by(|a, b| a.id.cmp(&b.id));
        world.provider("acme", "acme ").bundles = bundles;
        for _ in 0..2 {
            sync(&target.store, &world, PerService).await;
            assert_eq!(Views::read(target).await, world.views());
        }
        world.services.remove("acme ");
        world.services.get_mut("ACME").unwrap().providers.remove("acmé");
        world.provider("Acme", "acme ").bundles.clear();
        let progress = sync(&target.store, &world, PerService).await;
        assert_eq!(progress.providers.stored, 1);
        assert_eq!(Views::read(target).await, world.views());
    }

    async fn any_text_and_any_number_survive(target: &Target) {
        let texts = [
            "", " ", "👩‍👩‍👧‍👦 🇪🇺", "שלום עולם", "漢字かな交じり文", "a\u{0}b", "tab\tline\nfeed\r", "'; DROP TABLE bundle; --",
            "<script>alert(1)</script>", "\u{1b}[31mred", "back\\slash % _ ` \"", "\u{feff}bom", "e\u{301}", "🤷🏽‍♀️",
        ];
        let numbers = [
            "0", "-0", "1.0", "1.10", "1e400", "123456789012345678901234567890.000000000000000000001", "0.1e-7", "1E+5",
        ];
        let mut world = World::new(1, 1, 1, 1);
        let bundle = &mut world.provider("s0", "p0").bundles[0];
        let field = bundle.fields.remove(0);
        for (number, text) in texts.iter().enumerate() {
            let mut field = field.clone();
            field.id = format_text!("t{number:02}");
            field.name = Some((*text).into());
            field.value = Some((*text).into());
            field.data_type = DataType::String;
            field.attributes = Attributes(format!(r#"{{ "z": 1.10, "a": "{number}" }}"#));
            bundle.fields.push(field);
        }
        for (number, text) in numbers.iter().enumerate() {
            let mut field = field.clone();
            field.id = format_text!("n{number:02}");
            field.value = Some((*text).into());
            field.position = if number == 0 { i64::MIN } else { i64::MAX };
            field.required = None;
            bundle.fields.push(field);
        }
        let mut absent = field.clone();
        absent.id = "absent".into();
        absent.value = None;
        absent.data_type = DataType::Null;
        bundle.fields.push(absent);
        sync(&target.store, &world, PerService).await;
        assert_eq!(Views::read(target).await, world.views());
        let again = sync(&target.store, &world, PerService).await;
        assert_eq!(again.providers.unchanged, 1);
    }

    async fn long_texts_are_stored_in_more_than_one_packet(target: &Target) {
        let mut world = World::new(1, 2, 12, 1);
        for bundle in &mut world.provider("s0", "p0").bundles {
            bundle.attributes = Attributes(format!(r#"{{"long":"{}"}}"#, "x".repeat(1_000_000)));
            bundle.fields[0].value = Some("y".repeat(1_000_000).into());
        }
        sync(&target.store, &world, PerService).await;
        assert_eq!(Views::read(target).await, world.views());
    }
}
