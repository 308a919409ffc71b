//! The resources of a Pod's REST API, as its OPTIONS and its refusals show them.

use super::choices::{
    AFFILIATIONS, AUTH_TYPES, CURSUS, ENRICHMENT_TYPES, LANGUAGES, LICENCES, POSITIONS,
    RECORDING_TYPES, ROLES,
};
use super::schema::{Fallback, Field, Filter, Kind, Order, Resource, Unique};

const BIG: i64 = i64::MAX;
const POSITIVE: i64 = 4_294_967_295;
const NO_TRANSLATION: &str = "-- sorry, no translation provided --";

const ID: Field = Field::new("id", Kind::Id).read_only();
const URL: Field = Field::new("url", Kind::Url).read_only();
const VIDEO: Field = Field::link("video", "videos").required();
const TITLE_100: Field = Field::text("title", 100).required();
const NOW: Field = Field::new("date_added", Kind::DateTime);

const VIDEO_FIELDS: &[Field] = &[
    ID,
    URL,
    Field::new("video", Kind::File { max: 255 }).required(),
    Field::text("title", 250).required(),
    Field::new("slug", Kind::Slug { max: 0 }).read_only(),
    Field::text("description", 0),
    Field::new("allow_downloading", Kind::Bool),
    Field::new("is_360", Kind::Bool),
    Field::link("owner", "users").required(),
    Field::links("additional_owners", "users"),
    NOW,
    Field::new("date_evt", Kind::Date).null(),
    Field::choice("cursus", CURSUS, "0"),
    Field::choice("main_lang", LANGUAGES, "fr"),
    Field::new("is_draft", Kind::Bool).or(Fallback::True),
    Field::new("is_restricted", Kind::Bool),
    Field::links("restrict_access_to_groups", "accessgroups"),
    Field::text("password", 50).null(),
    Field::new("tags", Kind::Tags),
    Field::link("thumbnail", "images").null(),
    Field::link("type", "types").required(),
    Field::links("discipline", "discipline"),
    Field::links("channel", "channels"),
    Field::links("theme", "themes"),
    Field::new("licence", Kind::Choice(LICENCES)).null(),
    Field::new("encoding_in_progress", Kind::Bool).read_only(),
    Field::new("duration", Kind::Int { min: 0, max: 0 }).read_only(),
    Field::links("sites", "sites").required(),
    Field::new("disable_comment", Kind::Bool),
    Field::computed("get_encoding_step"),
    Field::computed("get_version"),
    Field::computed("encoded"),
    Field::computed("duration_in_time"),
];

const PLACED_FILE: &[Field] = &[
    ID,
    URL,
    Field::link("folder", "folders").required(),
    Field::text("name", 255).required(),
    Field::new("file", Kind::File { max: 255 }).required(),
    Field::link("created_by", "users").required(),
];

const ENCODED_FILE: &[Field] = &[
    ID,
    URL,
    Field::text("name", 10),
    VIDEO,
    Field::text("encoding_format", 22),
    Field::new("source_file", Kind::File { max: 255 }).required(),
];

const BY_VIDEO: &[(&str, Filter)] = &[("video", Filter::Object("videos"))];

/// Every resource that some site may have; which ones a site has, its settings say.
pub(crate) static RESOURCES: &[Resource] = &[
    Resource::new(
        "users",
        "User",
        "User List",
        &[
            ID,
            URL,
            Field::new("username", Kind::Username).required(),
            Field::text("first_name", 150),
            Field::new("is_staff", Kind::Bool),
            Field::text("last_name", 150),
            Field::new("email", Kind::Email),
            Field::links("groups", "groups"),
        ],
    )
    .filters(&[
        ("id", Filter::Number),
        ("username", Filter::Text),
        ("email", Filter::Text),
    ])
    .dead_before_3_8()
    .order(Order::IdDescending),
    Resource::new(
        "groups",
        "Group",
        "Group List",
        &[ID, URL, Field::text("name", 150).required()],
    ),
    Resource::new(
        "owners",
        "Owner",
        "Owner List",
        &[
            ID,
            URL,
            Field::link("user", "users").required(),
            Field::choice("auth_type", AUTH_TYPES, "local"),
            Field::choice("affiliation", AFFILIATIONS, "student"),
            Field::text("commentaire", 0),
            Field::text("hashkey", 64),
            Field::link("userpicture", "images").null(),
            Field::links("sites", "sites").required(),
        ],
    )
    .order(Order::OwnerDescending)
    .unique(&[Unique {
        field: "user",
        model: "Owner",
        label: "user",
    }]),
    Resource::new(
        "sites",
        "Site",
        "Site List",
        &[
            URL,
            Field::text("name", 50).required(),
            Field::text("domain", 100).required(),
        ],
    ),
    Resource::new(
        "accessgroups",
        "AccessGroup",
        "Access Group List",
        &[
            ID,
            Field::text("display_name", 128),
            Field::text("code_name", 250).required(),
            Field::links("sites", "sites").required(),
            Field::links("users", "owners"),
        ],
    )
    .filters(&[
        ("id", Filter::Number),
        ("display_name", Filter::Text),
        ("code_name", Filter::Text),
    ])
    .dead_before_3_8()
    .unique(&[Unique {
        field: "code_name",
        model: "Access Group",
        label: "Code name",
    }]),
    Resource::new(
        "channels",
        "Channel",
        "Channel List",
        &[
            ID,
            URL,
            TITLE_100,
            Field::text("description", 0),
            Field::link("headband", "images").null(),
            Field::text("color", 10).null(),
            Field::text("style", 0).null(),
            Field::links("owners", "users"),
            Field::links("users", "users"),
            Field::new("visible", Kind::Bool),
            Field::links("themes", "themes").named(),
            Field::link("site", "sites").null(),
        ],
    ),
    Resource::new(
        "themes",
        "Theme",
        "Theme List",
        &[
            ID,
            URL,
            Field::link("parentId", "themes").null(),
            TITLE_100,
            Field::text("description", 0),
            Field::link("headband", "images").null(),
            Field::link("channel", "channels").required(),
        ],
    ),
    Resource::new(
        "types",
        "Type",
        "Type List",
        &[
            ID,
            URL,
            TITLE_100,
            Field::text("description", 0).or(Fallback::Text(NO_TRANSLATION)),
            Field::link("icon", "images").null(),
            Field::links("sites", "sites").required(),
        ],
    )
    .unique(&[Unique {
        field: "title",
        model: "Type",
        label: "Title",
    }]),
    Resource::new(
        "discipline",
        "Discipline",
        "Discipline List",
        &[
            ID,
            URL,
            TITLE_100,
            Field::text("description", 0).or(Fallback::Text(NO_TRANSLATION)),
            Field::link("icon", "images").null(),
            Field::link("site", "sites").null(),
        ],
    )
    .unique(&[Unique {
        field: "title",
        model: "Discipline",
        label: "title",
    }]),
    Resource::new("videos", "Video", "Video List", VIDEO_FIELDS)
        .filters(&[
            ("owner", Filter::Object("users")),
            ("type", Filter::Object("types")),
            ("date_added", Filter::DateTime),
            ("is_draft", Filter::Bool),
            ("is_restricted", Filter::Bool),
            ("encoding_in_progress", Filter::Bool),
            ("sites", Filter::Objects("sites")),
        ])
        .dead_before_3_8()
        .order(Order::Videos),
    Resource::new(
        "renditions",
        "VideoRendition",
        "Video Rendition List",
        &[ID, URL, Field::text("resolution", 50).required()],
    ),
    Resource::new(
        "encodings_video",
        "EncodingVideo",
        "Encoding Video List",
        &[
            ID,
            URL,
            Field::text("name", 10),
            VIDEO,
            Field::link("rendition", "renditions").required(),
            Field::text("encoding_format", 22),
            Field::new("source_file", Kind::File { max: 255 }).required(),
        ],
    )
    .filters(BY_VIDEO)
    .dead_before_3_8(),
    Resource::new(
        "encodings_audio",
        "EncodingAudio",
        "Encoding Audio List",
        ENCODED_FILE,
    )
    .filters(BY_VIDEO)
    .dead_before_3_8(),
    Resource::new(
        "playlist_videos",
        "PlaylistVideo",
        "Playlist Video List",
        ENCODED_FILE,
    ),
    Resource::new(
        "view_count",
        "ViewCount",
        "View Count List",
        &[
            VIDEO,
            Field::new("date", Kind::Date),
            Field::int("count", 0, POSITIVE, 0),
        ],
    ),
    Resource::new(
        "playlists",
        "Playlist",
        "Playlist List",
        &[
            ID,
            URL,
            Field::text("name", 250).required(),
            Field::link("owner", "users").required(),
        ],
    ),
    Resource::new(
        "contributors",
        "Contributor",
        "Contributor List",
        &[
            ID,
            URL,
            VIDEO,
            Field::text("name", 200),
            Field::new("email_address", Kind::Email).null(),
            Field::choice("role", ROLES, "author"),
            Field::new("weblink", Kind::WebUrl { max: 200 }).null(),
        ],
    )
    .filters(BY_VIDEO),
    Resource::new(
        "documents",
        "Document",
        "Document List",
        &[ID, URL, VIDEO, Field::link("document", "files").null()],
    )
    .filters(BY_VIDEO),
    Resource::new(
        "tracks",
        "Track",
        "Track List",
        &[
            ID,
            URL,
            VIDEO,
            Field::choice("kind", &["subtitles", "captions"], "subtitles"),
            Field::choice("lang", LANGUAGES, "fr"),
            Field::link("src", "files").null(),
        ],
    )
    .filters(BY_VIDEO),
    Resource::new(
        "overlays",
        "Overlay",
        "Overlay List",
        &[
            ID,
            URL,
            VIDEO,
            TITLE_100,
            Field::int("time_start", 0, POSITIVE, 1),
            Field::int("time_end", 0, POSITIVE, 2),
            Field::text("content", 0).required(),
            Field::choice("position", POSITIONS, "bottom-right"),
            Field::new("background", Kind::Bool).or(Fallback::True),
        ],
    )
    .filters(BY_VIDEO),
    Resource::new(
        "chapters",
        "Chapter",
        "Chapter List",
        &[
            ID,
            URL,
            VIDEO,
            TITLE_100,
            Field::int("time_start", 0, POSITIVE, 0),
        ],
    )
    .unique_together(&["title", "time_start", "video"]),
    Resource::new(
        "recording",
        "Recording",
        "Recording Model List",
        &[
            ID,
            URL,
            Field::link("user", "users"),
            Field::text("title", 200).required(),
            Field::new("source_file", Kind::Path).required(),
            Field::choice("type", RECORDING_TYPES, "video"),
            NOW,
            Field::link("recorder", "recorder").null(),
        ],
    )
    .unique(&[Unique {
        field: "source_file",
        model: "Recording",
        label: "source file",
    }]),
    Resource::new(
        "recordingfile",
        "RecordingFile",
        "Recording File Model List",
        &[
            ID,
            URL,
            Field::new("file", Kind::File { max: 100 }).required(),
            Field::link("recorder", "recorder").null(),
        ],
    ),
    Resource::new(
        "recordingfiletreatment",
        "RecordingFileTreatment",
        "Recording File Treatment Model List",
        &[
            ID,
            Field::new("file", Kind::Path).required(),
            Field::int("file_size", i64::MIN, BIG, 0),
            Field::link("recorder", "recorder").null(),
            Field::choice("type", RECORDING_TYPES, "video"),
            NOW,
        ],
    )
    .filters(&[
        ("id", Filter::Number),
        ("file", Filter::Text),
        ("recorder", Filter::Object("recorder")),
        ("date_added", Filter::DateTime),
    ])
    .dead_before_3_8()
    .unique(&[Unique {
        field: "file",
        model: "Recording file treatment",
        label: "file",
    }]),
    Resource::new(
        "recorder",
        "Recorder",
        "Recorder Model List",
        &[
            ID,
            Field::text("name", 200).required(),
            Field::text("description", 0),
            Field::text("address_ip", 0).required(),
            Field::choice("recording_type", RECORDING_TYPES, "video"),
            Field::links("sites", "sites").required(),
        ],
    )
    .unique(&[Unique {
        field: "address_ip",
        model: "Recorder",
        label: "Address IP",
    }]),
    Resource::new(
        "folders",
        "UserFolder",
        "User Folder List",
        &[
            ID,
            URL,
            Field::text("name", 255).required(),
            Field::link("owner", "users").required(),
        ],
    )
    .order(Order::NameAndOwner)
    .unique_together(&["name", "owner"]),
    Resource::new(
        "files",
        "CustomFileModel",
        "Custom File Model List",
        PLACED_FILE,
    ),
    Resource::new(
        "images",
        "CustomImageModel",
        "Custom Image Model List",
        PLACED_FILE,
    ),
    Resource::new(
        "meeting_session",
        "Meeting",
        "Meeting Model List",
        &[
            ID,
            Field::new("name", Kind::Text { min: 2, max: 250 }).required(),
            Field::new("meeting_id", Kind::Slug { max: 0 }).read_only(),
            Field::new("start_at", Kind::DateTime),
            Field::new("created_at", Kind::DateTime).read_only(),
            Field::computed("owner_id"),
            Field::new("is_personal", Kind::Bool).read_only(),
            Field::new("is_webinar", Kind::Bool),
            Field::computed("site_id"),
        ],
    )
    .order(Order::IdDescending),
    Resource::new(
        "meeting_internal_recording",
        "InternalRecording",
        "Internal Recording Model List",
        &[
            ID,
            Field::text("name", 250).required(),
            Field::new("start_at", Kind::DateTime).read_only(),
            Field::new("recording_id", Kind::Slug { max: 255 }),
            Field::link("meeting", "meeting_session").null(),
            Field::computed("site_id"),
        ],
    ),
    Resource::new(
        "meeting_livestream",
        "Livestream",
        "Livestream Model List",
        &[ID],
    ),
    Resource::new(
        "meeting_live_gateway",
        "LiveGateway",
        "Live Gateway Model List",
        &[ID],
    ),
    Resource::new(
        "enrichments",
        "Enrichment",
        "Enrichment List",
        &[
            ID,
            URL,
            VIDEO,
            TITLE_100,
            Field::new("stop_video", Kind::Bool),
            Field::int("start", 0, POSITIVE, 0),
            Field::int("end", 0, POSITIVE, 1),
            Field::new("type", Kind::Choice(ENRICHMENT_TYPES)).null(),
            Field::link("image", "images").null(),
            Field::link("document", "files").null(),
            Field::text("richtext", 0).null(),
            Field::new("weblink", Kind::WebUrl { max: 200 }).null(),
            Field::text("embed", 0).null(),
        ],
    ),
];

pub(crate) fn resource(route: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| resource.route == route)
}
