//! The texts of refusals, in the two languages a Pod site has. Clients must not match on them;
//! they are here so that a client that does is caught when the language changes.

/// The language that an answer is written in, and whose columns are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lang {
    En,
    Fr,
}

impl Lang {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Fr => "fr",
        }
    }

    /// The first language of the header that the site has, else the site's own.
    pub(crate) fn negotiate(header: Option<&str>, site: &str) -> Lang {
        let of = |code: &str| match code.trim().split('-').next() {
            Some("fr") => Some(Lang::Fr),
            Some("en") => Some(Lang::En),
            _ => None,
        };
        header
            .into_iter()
            .flat_map(|header| header.split(','))
            .find_map(|choice| of(choice.split(';').next().unwrap_or("")))
            .or_else(|| of(site))
            .unwrap_or(Lang::En)
    }
}

/// A refusal that carries nothing of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fixed {
    NoCredentials,
    BadToken,
    TokenSpaces,
    BadBasic,
    Forbidden,
    NotFound,
    InvalidPage,
    NotAcceptable,
    Required,
    Blank,
    Null,
    NoFile,
    EmptyFile,
    EmptyList,
    BadBoolean,
    BadInteger,
    BadText,
    BadEmail,
    BadUrl,
    BadSlug,
    BadUsername,
    BadDate,
    BadDateTime,
    LinkNoMatch,
    LinkOtherMatch,
    LinkNoObject,
    UserExists,
    FilterNumber,
    FilterChoice,
    FilterDateTime,
}

pub(crate) fn fixed(text: Fixed, lang: Lang) -> String {
    use Fixed::*;
    let (en, fr) = match text {
        NoCredentials => (
            "Authentication credentials were not provided.",
            "Informations d'authentification non fournies.",
        ),
        BadToken => ("Invalid token.", "Jeton non valide."),
        TokenSpaces => (
            "Invalid token header. Token string should not contain spaces.",
            "En-tête de token non valide. Un token ne doit pas contenir d'espaces.",
        ),
        BadBasic => (
            "Invalid username/password.",
            "Nom d'utilisateur/mot de passe non valide.",
        ),
        Forbidden => (
            "You do not have permission to perform this action.",
            "Vous n'avez pas la permission d'effectuer cette action.",
        ),
        NotFound => ("Not found.", "Pas trouvé."),
        InvalidPage => ("Invalid page.", "Page non valide."),
        NotAcceptable => (
            "Could not satisfy the request Accept header.",
            "L'en-tête « Accept » n'a pas pu être satisfaite.",
        ),
        Required => ("This field is required.", "Ce champ est obligatoire."),
        Blank => (
            "This field may not be blank.",
            "Ce champ ne peut être vide.",
        ),
        Null => ("This field may not be null.", "Ce champ ne peut être nul."),
        NoFile => ("No file was submitted.", "Aucun fichier n'a été soumis."),
        EmptyFile => (
            "The submitted file is empty.",
            "Le fichier soumis est vide.",
        ),
        EmptyList => (
            "This list may not be empty.",
            "Cette liste ne peut pas être vide.",
        ),
        BadBoolean => ("Must be a valid boolean.", "Doit être un booléen valide."),
        BadInteger => (
            "A valid integer is required.",
            "Un nombre entier valide est requis.",
        ),
        BadText => ("Not a valid string.", "Chaîne de caractères non valide."),
        BadEmail => (
            "Enter a valid email address.",
            "Saisissez une adresse e-mail valable.",
        ),
        BadUrl => ("Enter a valid URL.", "Saisissez une URL valide."),
        BadSlug => (
            "Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens.",
            "Ce champ ne doit contenir que des lettres, des nombres, des tirets bas _ et des traits d'union.",
        ),
        BadUsername => (
            "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.",
            "Saisissez un nom d’utilisateur valide. Il ne peut contenir que des lettres, des nombres ou les caractères « @ », « . », « + », « - » et « _ ».",
        ),
        BadDate => (
            "Date has wrong format. Use one of these formats instead: YYYY-MM-DD.",
            "La date n'a pas le bon format. Utilisez un des formats suivants : YYYY-MM-DD.",
        ),
        BadDateTime => (
            "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].",
            "La date + heure n'a pas le bon format. Utilisez un des formats suivants : YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].",
        ),
        LinkNoMatch => (
            "Invalid hyperlink - No URL match.",
            "Lien hypertexte non valide : pas d'URL correspondante.",
        ),
        LinkOtherMatch => (
            "Invalid hyperlink - Incorrect URL match.",
            "Lien hypertexte non valide : URL correspondante incorrecte.",
        ),
        LinkNoObject => (
            "Invalid hyperlink - Object does not exist.",
            "Lien hypertexte non valide : l'objet n'existe pas.",
        ),
        UserExists => (
            "A user with that username already exists.",
            "Un utilisateur avec ce nom existe déjà.",
        ),
        FilterNumber => ("Enter a number.", "Saisissez un nombre."),
        FilterChoice => (
            "Select a valid choice. That choice is not one of the available choices.",
            "Sélectionnez un choix valide. Ce choix ne fait pas partie de ceux disponibles.",
        ),
        FilterDateTime => (
            "Enter a valid date/time.",
            "Saisissez une date et une heure valides.",
        ),
    };
    pick(lang, en, fr)
}

fn pick(lang: Lang, en: impl Into<String>, fr: impl Into<String>) -> String {
    match lang {
        Lang::En => en.into(),
        Lang::Fr => fr.into(),
    }
}

pub(crate) fn method_not_allowed(method: &str, lang: Lang) -> String {
    pick(
        lang,
        format!("Method \"{method}\" not allowed."),
        format!("Méthode \"{method}\" non autorisée."),
    )
}

pub(crate) fn unsupported_media(kind: &str, lang: Lang) -> String {
    pick(
        lang,
        format!("Unsupported media type \"{kind}\" in request."),
        format!("Type de média \"{kind}\" non supporté."),
    )
}

pub(crate) fn too_long(limit: usize, lang: Lang) -> String {
    pick(
        lang,
        format!("Ensure this field has no more than {limit} characters."),
        format!("Assurez-vous que ce champ comporte au plus {limit} caractères."),
    )
}

pub(crate) fn too_short(limit: usize, lang: Lang) -> String {
    pick(
        lang,
        format!("Ensure this field has at least {limit} characters."),
        format!("Assurez-vous que ce champ comporte au moins {limit} caractères."),
    )
}

pub(crate) fn too_small(limit: i64, lang: Lang) -> String {
    pick(
        lang,
        format!("Ensure this value is greater than or equal to {limit}."),
        format!("Assurez-vous que cette valeur est supérieure ou égale à {limit}."),
    )
}

pub(crate) fn too_big(limit: i64, lang: Lang) -> String {
    pick(
        lang,
        format!("Ensure this value is less than or equal to {limit}."),
        format!("Assurez-vous que cette valeur est inférieure ou égale à {limit}."),
    )
}

pub(crate) fn not_a_choice(value: &str, lang: Lang) -> String {
    pick(
        lang,
        format!("\"{value}\" is not a valid choice."),
        format!("« {value} » n'est pas un choix valide."),
    )
}

pub(crate) fn not_a_path(value: &str, lang: Lang) -> String {
    pick(
        lang,
        format!("\"{value}\" is not a valid path choice."),
        format!("« {value} » n'est pas un choix de chemin valide."),
    )
}

pub(crate) fn not_a_list(kind: &str, lang: Lang) -> String {
    pick(
        lang,
        format!("Expected a list of items but got type \"{kind}\"."),
        format!("Attendait une liste d'éléments mais a reçu « {kind} »."),
    )
}

pub(crate) fn not_a_link(kind: &str, lang: Lang) -> String {
    pick(
        lang,
        format!("Incorrect type. Expected URL string, received {kind}."),
        format!("Type incorrect. Attendait une URL, a reçu {kind}."),
    )
}

pub(crate) fn already_exists(model: &str, label: &str, lang: Lang) -> String {
    pick(
        lang,
        format!("{model} with this {label} already exists."),
        format!("Un objet {model} avec ce champ {label} existe déjà."),
    )
}

pub(crate) fn unique_set(fields: &[&str], lang: Lang) -> String {
    let fields = fields.join(", ");
    pick(
        lang,
        format!("The fields {fields} must make a unique set."),
        format!("Les champs {fields} doivent former un ensemble unique."),
    )
}

/// Untranslated in Django itself; before 4.0 the framework hid it.
pub(crate) fn no_object(model: &str) -> String {
    format!("No {model} matches the given query.")
}
