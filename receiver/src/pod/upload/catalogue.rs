//! The things of a Pod that settings and meta keys name by title: types, sites, disciplines,
//! channels, groups, and the values that licences, languages and levels may have.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::api::Api;
use super::site;
use crate::pod::PodError;
use crate::pod::config::Chosen;

/// How long a user is believed to be there.
const USERS_KNOWN: Duration = Duration::from_secs(600);

/// A list that things are chosen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::pod) enum List {
    Types,
    Sites,
    Disciplines,
    Channels,
    Groups,
    Recorders,
}

impl List {
    fn path(self) -> &'static str {
        match self {
            List::Types => "rest/types/",
            List::Sites => "rest/sites/",
            List::Disciplines => "rest/discipline/",
            List::Channels => "rest/channels/",
            List::Groups => "rest/accessgroups/",
            List::Recorders => "rest/recorder/",
        }
    }
}

/// A field whose values are fixed by the site's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pod) enum Field {
    Licence,
    MainLang,
    Cursus,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Field::Licence => "licence",
            Field::MainLang => "main_lang",
            Field::Cursus => "cursus",
        }
    }
}

/// What has been read of a Pod so far.
#[derive(Debug, Default)]
pub(in crate::pod) struct Catalogue {
    lists: BTreeMap<List, Vec<Item>>,
    options: Option<Value>,
    users: BTreeMap<String, (Instant, String)>,
}

/// An element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    id: u64,
    names: Vec<String>,
}

impl Catalogue {
    /// The link of what is chosen; `Err` says in words what there is instead.
    pub(in crate::pod) async fn link(
        &mut self,
        api: &Api,
        list: List,
        wanted: &Chosen,
    ) -> Result<Result<String, String>, PodError> {
        let items = self.items(api, list).await?;
        Ok(match choose(items, wanted) {
            Some(id) => Ok(format!("/{}{id}/", list.path())),
            None => Err(format!(
                "Pod does not have {wanted}; it has {}",
                named(items)
            )),
        })
    }

    /// The link of the only element; `Err` names all when there are several.
    pub(in crate::pod) async fn only(
        &mut self,
        api: &Api,
        list: List,
    ) -> Result<Result<String, String>, PodError> {
        let items = self.items(api, list).await?;
        Ok(match items {
            [item] => Ok(format!("/{}{}/", list.path(), item.id)),
            _ => Err(format!("Pod has several, choose one of {}", named(items))),
        })
    }

    /// Whether a field takes a value; `Err` says in words which it takes.
    pub(in crate::pod) async fn takes(
        &mut self,
        api: &Api,
        field: Field,
        value: &str,
    ) -> Result<Result<(), String>, PodError> {
        let values = self.values(api, field).await?;
        Ok(if values.iter().any(|known| known == value) {
            Ok(())
        } else {
            Err(format!(
                "Pod does not take \"{value}\" but {}",
                values.join(" ")
            ))
        })
    }

    /// The values that a field takes.
    pub(in crate::pod) async fn values(
        &mut self,
        api: &Api,
        field: Field,
    ) -> Result<Vec<String>, PodError> {
        if self.options.is_none() {
            self.options = Some(
                api.options("reading what Pod offers", "rest/videos/")
                    .await?,
            );
        }
        let choices = self
            .options
            .as_ref()
            .and_then(|options| options["actions"]["POST"][field.name()]["choices"].as_array());
        let values = choices
            .into_iter()
            .flatten()
            .filter_map(|c| c["value"].as_str());
        Ok(values
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// The link of the user with exactly this name, asked for once; `Err` says in words that there
    /// is none.
    pub(in crate::pod) async fn user(
        &mut self,
        api: &Api,
        username: &str,
    ) -> Result<Result<String, String>, PodError> {
        if let Some((since, link)) = self.users.get(username)
            && since.elapsed() < USERS_KNOWN
        {
            return Ok(Ok(link.clone()));
        }
        match site::user(api, username).await {
            Ok(link) => {
                let known = (Instant::now(), link.clone());
                self.users.insert(username.to_owned(), known);
                Ok(Ok(link))
            }
            Err(error @ PodError::Owner { .. }) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    async fn items(&mut self, api: &Api, list: List) -> Result<&[Item], PodError> {
        if let Entry::Vacant(unread) = self.lists.entry(list) {
            let mut items = Vec::new();
            api.find("reading what Pod offers", list.path(), &[], |element| {
                items.extend(item(element));
                None::<()>
            })
            .await?;
            // Lists without an order can show an element on two pages.
            items.sort_by_key(|item: &Item| item.id);
            items.dedup();
            unread.insert(items);
        }
        Ok(self.lists.get(&list).map_or(&[], Vec::as_slice))
    }
}

fn item(element: &Value) -> Option<Item> {
    let names = ["title", "name", "domain", "code_name", "display_name"];
    Some(Item {
        id: id(element)?,
        names: names
            .iter()
            .filter_map(|field| element[field].as_str())
            .map(str::to_owned)
            .collect(),
    })
}

/// An element's id; sites have it only in their link.
pub(in crate::pod) fn id(element: &Value) -> Option<u64> {
    let link = || {
        let link = element["url"].as_str()?.trim_end_matches('/');
        link.rsplit('/').next()?.parse().ok()
    };
    element["id"].as_u64().or_else(link)
}

/// Exactly this name, else this name but for its case, else this number; each only if it is one.
fn choose(items: &[Item], wanted: &Chosen) -> Option<u64> {
    let one = |fits: &dyn Fn(&Item) -> bool| {
        let mut fitting = items.iter().filter(|item| fits(item));
        fitting
            .next()
            .filter(|_| fitting.next().is_none())
            .map(|item| item.id)
    };
    let by_id = |id: u64| one(&|item| item.id == id);
    match wanted {
        Chosen::Id(id) => by_id(*id),
        Chosen::Title(title) => {
            let folded = title.to_lowercase();
            one(&|item| item.names.contains(title))
                .or_else(|| one(&|item| item.names.iter().any(|n| n.to_lowercase() == folded)))
                .or_else(|| by_id(title.parse().ok()?))
        }
    }
}

fn named(items: &[Item]) -> String {
    let shown: Vec<String> = items
        .iter()
        .map(|item| {
            format!(
                "\"{}\" ({})",
                item.names.first().map_or("", String::as_str),
                item.id
            )
        })
        .collect();
    if shown.is_empty() {
        "none".into()
    } else {
        shown.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_read_from_links_too() {
        assert_eq!(
            id(&json!({"id": 3, "url": "http://pod/rest/types/4/"})),
            Some(3)
        );
        assert_eq!(id(&json!({"url": "http://pod/rest/sites/1/"})), Some(1));
        assert_eq!(id(&json!({"url": "http://pod/rest/sites/"})), None);
    }

    #[test]
    fn names_choose_one_or_none() {
        let items: Vec<Item> = [
            (1, "Autre"),
            (2, "Cours"),
            (3, "cours"),
            (7, "2"),
            (8, "TD"),
            (9, "TP"),
        ]
        .iter()
        .map(|(id, name)| Item {
            id: *id,
            names: vec![(*name).to_owned()],
        })
        .collect();
        for (wanted, found) in [
            ("Cours", Some(2)),
            ("cours", Some(3)),
            ("COURS", None),
            ("td", Some(8)),
            ("2", Some(7)),
            ("9", Some(9)),
            ("absent", None),
        ] {
            assert_eq!(
                choose(&items, &Chosen::Title(wanted.into())),
                found,
                "{wanted}"
            );
        }
        assert_eq!(choose(&items, &Chosen::Id(2)), Some(2));
        assert_eq!(choose(&items, &Chosen::Id(5)), None);
    }
}
