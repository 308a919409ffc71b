//! The values that choice fields accept. All are settings of a site; these are Pod's own.

pub(crate) const RECORDING_TYPES: &[&str] = &["video", "audiovideocast", "studio"];
pub(crate) const LICENCES: &[&str] = &["by", "by-nd", "by-nc-nd", "by-nc", "by-nc-sa", "by-sa"];
pub(crate) const CURSUS: &[&str] = &["0", "L", "M", "D", "1"];
pub(crate) const LANGUAGES: &[&str] = &[
    "de", "en", "ar", "zh", "es", "fr", "it", "ja", "ru", "ab", "aa", "af", "sq", "am", "an", "hy",
    "as", "ay", "az", "ba", "eu", "bn", "dz", "bh", "bi", "br", "bg", "my", "be", "km", "ca", "co",
    "hr", "cs", "da", "nl", "eo", "et", "fo", "fa", "fj", "fi", "fy", "gl", "gd", "gv", "ka", "el",
    "kl", "gn", "gu", "ht", "ha", "he", "hi", "hu", "is", "io", "id", "ia", "ie", "iu", "ik", "ga",
    "jv", "kn", "ks", "kk", "rw", "ky", "rn", "ko", "ku", "lo", "la", "lv", "li", "ln", "lt", "mk",
    "mg", "ms", "ml", "mt", "mi", "mr", "mo", "mn", "na", "ne", "no", "oc", "or", "om", "ps", "pl",
    "pt", "pa", "qu", "rm", "ro", "sm", "sg", "sa", "sr", "sh", "st", "tn", "sn", "ii", "sd", "si",
    "ss", "sk", "sl", "so", "su", "sw", "sv", "tl", "tg", "ta", "tt", "te", "th", "bo", "ti", "to",
    "ts", "tr", "tk", "tw", "ug", "uk", "ur", "uz", "vi", "vo", "wa", "cy", "wo", "xh", "yi", "yo",
    "zu",
];
pub(crate) const AUTH_TYPES: &[&str] = &["local", "CAS", "OIDC", "Shibboleth"];
pub(crate) const AFFILIATIONS: &[&str] = &[
    "student",
    "faculty",
    "staff",
    "employee",
    "member",
    "affiliate",
    "alum",
    "library-walk-in",
    "researcher",
    "retired",
    "emeritus",
    "teacher",
    "registered-reader",
];
pub(crate) const ROLES: &[&str] = &[
    "actor",
    "author",
    "designer",
    "consultant",
    "contributor",
    "editor",
    "speaker",
    "soundman",
    "director",
    "writer",
    "technician",
    "voice-over",
];
pub(crate) const POSITIONS: &[&str] = &[
    "top-left",
    "top",
    "top-right",
    "right",
    "bottom-right",
    "bottom",
    "bottom-left",
    "left",
];
pub(crate) const ENRICHMENT_TYPES: &[&str] = &["image", "richtext", "weblink", "document", "embed"];
