//! How a REST resource is described: its fields, what they accept, its filters and its order.

use serde_json::Value;

/// What a field holds and accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Id,
    Url,
    Text {
        min: usize,
        max: usize,
    },
    Username,
    Email,
    Slug {
        max: usize,
    },
    WebUrl {
        max: usize,
    },
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    Choice(&'static [&'static str]),
    Date,
    DateTime,
    File {
        max: usize,
    },
    /// One object of the named resource.
    Link(&'static str),
    /// Several objects of the named resource.
    Links(&'static str),
    /// Tags: links to a resource that has no route.
    Tags,
    /// A file that exists under the recorders' folder.
    Path,
    /// Written by the server in its own way.
    Computed,
}

/// What an omitted field becomes on creation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fallback {
    OfKind,
    Text(&'static str),
    Int(i64),
    True,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) read_only: bool,
    pub(crate) null: bool,
    pub(crate) blank: bool,
    pub(crate) fallback: Fallback,
}

impl Field {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Field {
        Field {
            name,
            kind,
            required: false,
            read_only: false,
            null: false,
            blank: true,
            fallback: Fallback::OfKind,
        }
    }

    pub(crate) const fn text(name: &'static str, max: usize) -> Field {
        Field::new(name, Kind::Text { min: 0, max })
    }

    pub(crate) const fn int(name: &'static str, min: i64, max: i64, fallback: i64) -> Field {
        let mut field = Field::new(name, Kind::Int { min, max });
        field.fallback = Fallback::Int(fallback);
        field
    }

    pub(crate) const fn link(name: &'static str, resource: &'static str) -> Field {
        Field::new(name, Kind::Link(resource))
    }

    pub(crate) const fn links(name: &'static str, resource: &'static str) -> Field {
        Field::new(name, Kind::Links(resource))
    }

    pub(crate) const fn choice(
        name: &'static str,
        of: &'static [&'static str],
        fallback: &'static str,
    ) -> Field {
        let mut field = Field::new(name, Kind::Choice(of));
        field.fallback = Fallback::Text(fallback);
        field
    }

    pub(crate) const fn computed(name: &'static str) -> Field {
        Field::new(name, Kind::Computed).read_only()
    }

    pub(crate) const fn required(mut self) -> Field {
        self.required = true;
        self.blank = false;
        self
    }

    /// Must be named, but may be an empty list.
    pub(crate) const fn named(mut self) -> Field {
        self.required = true;
        self
    }

    pub(crate) const fn read_only(mut self) -> Field {
        self.read_only = true;
        self
    }

    pub(crate) const fn null(mut self) -> Field {
        self.null = true;
        self
    }

    pub(crate) const fn or(mut self, fallback: Fallback) -> Field {
        self.fallback = fallback;
        self
    }

    /// The value of an omitted field, but for those that depend on the clock.
    pub(crate) fn default_value(&self) -> Value {
        match self.fallback {
            Fallback::Text(text) => text.into(),
            Fallback::Int(number) => number.into(),
            Fallback::True => true.into(),
            Fallback::OfKind if self.null => Value::Null,
            Fallback::OfKind => match self.kind {
                Kind::Bool => false.into(),
                Kind::Links(_) | Kind::Tags => Value::Array(Vec::new()),
                Kind::Text { .. } | Kind::Email | Kind::Username | Kind::Slug { .. } => "".into(),
                _ => Value::Null,
            },
        }
    }
}

/// A query parameter that filters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Filter {
    Number,
    Text,
    Bool,
    DateTime,
    /// By the id of an object of the named resource.
    Object(&'static str),
    /// By the id of one of several.
    Objects(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Id,
    IdDescending,
    /// By the name of the user, last first.
    OwnerDescending,
    /// Newest first.
    Videos,
    NameAndOwner,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Unique {
    pub(crate) field: &'static str,
    /// The model and the field as the refusal names them.
    pub(crate) model: &'static str,
    pub(crate) label: &'static str,
}

/// One viewset of the API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resource {
    pub(crate) route: &'static str,
    /// The model as a 404 names it.
    pub(crate) model: &'static str,
    /// The view as OPTIONS names it.
    pub(crate) view: &'static str,
    pub(crate) fields: &'static [Field],
    pub(crate) filters: &'static [(&'static str, Filter)],
    /// Whether 3.7 ignores the filters.
    pub(crate) dead_before_3_8: bool,
    pub(crate) order: Order,
    pub(crate) unique: &'static [Unique],
    pub(crate) unique_together: &'static [&'static str],
}

impl Resource {
    pub(crate) const fn new(
        route: &'static str,
        model: &'static str,
        view: &'static str,
        fields: &'static [Field],
    ) -> Resource {
        Resource {
            route,
            model,
            view,
            fields,
            filters: &[],
            dead_before_3_8: false,
            order: Order::Id,
            unique: &[],
            unique_together: &[],
        }
    }

    pub(crate) const fn filters(mut self, filters: &'static [(&'static str, Filter)]) -> Resource {
        self.filters = filters;
        self
    }

    pub(crate) const fn dead_before_3_8(mut self) -> Resource {
        self.dead_before_3_8 = true;
        self
    }

    pub(crate) const fn order(mut self, order: Order) -> Resource {
        self.order = order;
        self
    }

    pub(crate) const fn unique(mut self, unique: &'static [Unique]) -> Resource {
        self.unique = unique;
        self
    }

    pub(crate) const fn unique_together(mut self, fields: &'static [&'static str]) -> Resource {
        self.unique_together = fields;
        self
    }

    pub(crate) fn has_url(&self) -> bool {
        self.fields
            .iter()
            .any(|field| matches!(field.kind, Kind::Url))
    }
}
