-- The indexes that the statements of the source need, one for each way in which a collection is asked; in the query
-- context of the scope. `prepare.sh` runs them; the query workbench does, too, one by one.
--
-- An index that begins with the key serves "everything, in the order of keys" and has every document in it. The others
-- find the children of a parent; a document without the field they begin with is not in them, which is why each run
-- looks through the whole collections once for documents that nobody asks for.

CREATE INDEX `sluice_provider_services` ON `provider_services`(META().id);
CREATE INDEX `sluice_providers` ON `providers`(META().id);
CREATE INDEX `sluice_providers_by_service_id` ON `providers`(`service_id`, META().id);
CREATE INDEX `sluice_providers_by_service_id_by_id` ON `providers`(`service_id`, `id`, META().id);
CREATE INDEX `sluice_bundles` ON `bundles`(META().id);
CREATE INDEX `sluice_bundles_by_provider_id` ON `bundles`(`provider_id`, META().id);

-- Only when subscription fields have a collection of their own:
CREATE INDEX `sluice_subscription_fields` ON `subscription_fields`(META().id);
CREATE INDEX `sluice_subscription_fields_by_provider_id` ON `subscription_fields`(`provider_id`, META().id);
