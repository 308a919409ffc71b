//! Lists: filters that work, filters that are silently ignored, order and pages of twelve.

use serde_json::{Value, json};

use super::answer::Answer;
use super::ask::Ask;
use super::messages::{Fixed, fixed};
use super::schema::{Filter, Order, Resource};
use super::settings::Version;
use super::text::parse_datetime;
use super::world::{Crash, Row, World, id_of, ids_of, text_of};

const PAGE: usize = 12;

/// The ids that the filters of the resource leave, in its order; or the refusals.
pub(crate) fn select(world: &World, ask: &Ask, resource: &Resource) -> Result<Vec<u64>, Row> {
    let mut rows: Vec<(u64, &Row)> = world.rows(resource.route).collect();
    let dead = resource.dead_before_3_8 && world.settings.version < Version::V3_8_4;
    let mut errors = Row::new();
    for (name, filter) in resource.filters.iter().filter(|_| !dead) {
        let Some(wanted) = ask.param(name).filter(|wanted| !wanted.is_empty()) else {
            continue;
        };
        let refusal = match filter {
            Filter::Text => {
                rows.retain(|(_, row)| world.same(text_of(row, name), wanted));
                None
            }
            Filter::Bool => {
                let yes = match wanted.to_ascii_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => continue,
                };
                rows.retain(|(_, row)| row[*name].as_bool() == Some(yes));
                None
            }
            Filter::Number => match wanted.trim().parse::<f64>() {
                Ok(number) => {
                    rows.retain(|(id, _)| *id as f64 == number);
                    None
                }
                Err(_) => Some(Fixed::FilterNumber),
            },
            Filter::DateTime => match parse_datetime(wanted) {
                Some(micros) => {
                    rows.retain(|(_, row)| row[*name].as_i64() == Some(micros));
                    None
                }
                None => Some(Fixed::FilterDateTime),
            },
            Filter::Object(target) | Filter::Objects(target) => {
                match wanted
                    .parse()
                    .ok()
                    .filter(|id| world.row(target, *id).is_some())
                {
                    Some(id) => {
                        rows.retain(|(_, row)| {
                            id_of(row, name) == Some(id) || ids_of(row, name).contains(&id)
                        });
                        None
                    }
                    None => Some(Fixed::FilterChoice),
                }
            }
        };
        if let Some(refusal) = refusal {
            errors.insert((*name).to_owned(), json!([fixed(refusal, ask.lang)]));
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    sort(world, resource.order, &mut rows);
    Ok(rows.into_iter().map(|(id, _)| id).collect())
}

fn sort(world: &World, order: Order, rows: &mut [(u64, &Row)]) {
    match order {
        Order::Id => {}
        Order::IdDescending => rows.reverse(),
        Order::OwnerDescending => {
            rows.sort_by_key(|(_, row)| {
                let user = id_of(row, "user").and_then(|id| world.row("users", id));
                std::cmp::Reverse(
                    user.map_or(String::new(), |user| text_of(user, "username").to_owned()),
                )
            });
        }
        Order::Videos => {
            rows.sort_by_key(|(id, row)| std::cmp::Reverse((row["date_added"].as_i64(), *id)))
        }
        Order::NameAndOwner => {
            rows.sort_by_key(|(_, row)| (text_of(row, "name").to_owned(), id_of(row, "owner")));
        }
    }
}

/// One page of a list, each object made by `render`.
pub(crate) fn page(
    ask: &Ask,
    ids: &[u64],
    render: impl Fn(u64) -> Result<Value, Crash>,
) -> Result<Answer, Crash> {
    let last = ids.len().div_ceil(PAGE).max(1);
    let number = match ask.param("page") {
        None | Some("") => Some(1),
        Some("last") => Some(last),
        Some(number) => number
            .parse()
            .ok()
            .filter(|number| (1..=last).contains(number)),
    };
    let Some(number) = number else {
        return Ok(Answer::detail(404, fixed(Fixed::InvalidPage, ask.lang)));
    };
    let results: Vec<Value> = ids
        .iter()
        .skip((number - 1) * PAGE)
        .take(PAGE)
        .map(|id| render(*id))
        .collect::<Result<_, _>>()?;
    Ok(Answer::json(
        200,
        &json!({
            "count": ids.len(),
            "next": (number < last).then(|| ask.page_url(number + 1)),
            "previous": (number > 1).then(|| ask.page_url(number - 1)),
            "results": results,
        }),
    ))
}
