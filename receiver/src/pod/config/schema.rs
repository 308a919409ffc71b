//! How the kinds of destinations are described together, for the reference of all settings.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::{
    CsvConfig, DestinationConfig, DirectoryConfig, ExternalConfig, RecordingConfig, UploadConfig,
};

impl JsonSchema for DestinationConfig {
    fn schema_name() -> Cow<'static, str> {
        "DestinationConfig".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kind = |name: &str, schema: Schema| json!({ "title": name, "allOf": [schema] });
        let kinds = [
            kind("directory", generator.subschema_for::<DirectoryConfig>()),
            kind("upload", generator.subschema_for::<UploadConfig>()),
            kind("external", generator.subschema_for::<ExternalConfig>()),
            kind("recording", generator.subschema_for::<RecordingConfig>()),
            kind("csv", generator.subschema_for::<CsvConfig>()),
        ];
        json_schema!({ "oneOf": kinds })
    }
}
